/* classify.c: label texts with an exported text classifier, from C, without Python.
 *
 * It is linked to TensorFlow's own libraries and to nothing else (README.md beside it says how):
 *
 *     classify models/NAME/1 "first text" "second text"
 *     classify models/NAME/1 < texts.txt          one text per line, of any bytes and any length
 *
 * prints a header line, then one line per text, all columns parted by tabs:
 *
 *     label   score   FIRST CLASS   SECOND CLASS   ...
 *     pos     0.93    0.07          0.93           ...
 *
 * The tokenizer is part of the exported graph, so the program hands over bytes and reads back
 * strings and numbers.
 */

#define PROGRAM "classify"
#define TASK "TextClassifier"
#define SIGNATURE "serving_default"
#define OPTIONS ""
#include "model_folder.h"

enum { LABEL, SCORE, PROBABILITIES, CLASSES, OUTPUTS };

static const Given GIVEN[] = {{"text", TF_STRING}}; /* [texts] */
static const Wanted WANTED[OUTPUTS] = {
    [LABEL] = {"label", TF_STRING, 1},                /* [texts] */
    [SCORE] = {"score", TF_FLOAT, 1},                 /* [texts] */
    [PROBABILITIES] = {"probabilities", TF_FLOAT, 2}, /* [texts, classes] */
    [CLASSES] = {"classes", TF_STRING, 2},            /* [texts, classes], every row the same */
};

int main(int argc, char **argv) {
  check_call(argc, argv);
  Model model = load_model(argv[1], GIVEN, 1, WANTED, OUTPUTS);

  /* Where there is no text, an empty one still tells the names of the classes, so that the header
   * is always printed; its row is not. */
  size_t count = 0;
  Text *texts = read_texts(argc, argv, &count);
  const Text nothing = {"", 0};
  TF_Tensor *results[OUTPUTS] = {NULL};
  const size_t rows = count > 0 ? count : 1;
  TF_Tensor *input = string_tensor(count > 0 ? texts : &nothing, rows);
  ask(&model, &input, rows, results);
  free_texts(argc, texts, count);

  /* The table. %.9g keeps every float32 exactly. */
  const int64_t classes = TF_Dim(results[CLASSES], 1);
  const TF_TString *label = TF_TensorData(results[LABEL]);
  const TF_TString *class_name = TF_TensorData(results[CLASSES]);
  const float *score = TF_TensorData(results[SCORE]);
  const float *probability = TF_TensorData(results[PROBABILITIES]);
  fputs("label\tscore", stdout);
  for (int64_t k = 0; k < classes; k++) {
    putchar('\t');
    print_string(&class_name[k]);
  }
  putchar('\n');
  for (size_t i = 0; i < count; i++) {
    print_string(&label[i]);
    printf("\t%.9g", (double)score[i]);
    for (int64_t k = 0; k < classes; k++) {
      printf("\t%.9g", (double)probability[(int64_t)i * classes + k]);
    }
    putchar('\n');
  }
  finish(&model, results);
  return 0;
}
