/* translate.c: translate texts with an exported translator, from C, without Python.
 *
 * It is linked to TensorFlow's own libraries and to nothing else (README.md beside it says how):
 *
 *     translate models/NAME/1 "first text" "second text"
 *     translate models/NAME/1 < texts.txt         one text per line, of any bytes and any length
 *
 * prints one line per text: the score of its translation, a tab, the translation. Tokenizers and
 * beam search are part of the exported graph.
 */

#define PROGRAM "translate"
#define TASK "Translator"
#define SIGNATURE "serving_default"
#define OPTIONS ""
#include "model_folder.h"

enum { TRANSLATION, SCORE, OUTPUTS };

static const Given GIVEN[] = {{"text", TF_STRING}}; /* [texts] */
static const Wanted WANTED[OUTPUTS] = {
    [TRANSLATION] = {"translation", TF_STRING, 1}, /* [texts] */
    [SCORE] = {"score", TF_FLOAT, 1},              /* [texts] */
};

int main(int argc, char **argv) {
  check_call(argc, argv);
  Model model = load_model(argv[1], GIVEN, 1, WANTED, OUTPUTS);

  size_t count = 0;
  Text *texts = read_texts(argc, argv, &count);
  TF_Tensor *results[OUTPUTS] = {NULL};
  TF_Tensor *input = string_tensor(texts, count);
  ask(&model, &input, count, results);
  free_texts(argc, texts, count);

  const TF_TString *translation = TF_TensorData(results[TRANSLATION]);
  const float *score = TF_TensorData(results[SCORE]);
  for (size_t i = 0; i < count; i++) {
    printf("%.9g\t", (double)score[i]); /* keeps every float32 exactly */
    print_string(&translation[i]);
    putchar('\n');
  }
  finish(&model, results);
  return 0;
}
