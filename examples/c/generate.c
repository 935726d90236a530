/* generate.c: go on with texts, with an exported language model, from C, without Python.
 *
 * It is linked to TensorFlow's own libraries and to nothing else (README.md beside it says how):
 *
 *     generate models/NAME/1 --seed=7 --temperature=0.8 "first prompt" "second prompt"
 *     generate models/NAME/1 < prompts.txt        one prompt per line, of any bytes and any length
 *
 * prints one line per prompt: the log-probability of what is added, a tab, what is added, with line
 * feeds written as \n and backslashes as \\. Prompt n, counted from 0, draws with the seed plus n.
 * Tokenizer and sampling are part of the exported graph, so the same seed gives the same text here
 * and in Python.
 */

#define PROGRAM "generate"
#define TASK "LanguageModel"
#define SIGNATURE "generate"
#define OPTIONS                                                                                    \
  "[--max-tokens=200] [--temperature=1] [--top-k=0] [--top-p=1] [--seed=0] "
#include "model_folder.h"

enum { PROMPT, MAX_TOKENS, TEMPERATURE, TOP_K, TOP_P, SEED, INPUTS };
enum { TEXT, LOG_PROB, OUTPUTS };

static const Given GIVEN[INPUTS] = {
    [PROMPT] = {"prompt", TF_STRING},         /* [texts] */
    [MAX_TOKENS] = {"max_tokens", TF_INT32},  /* the rest: one number for all texts */
    [TEMPERATURE] = {"temperature", TF_FLOAT},
    [TOP_K] = {"top_k", TF_INT32},
    [TOP_P] = {"top_p", TF_FLOAT},
    [SEED] = {"seed", TF_INT32},
};

static const Wanted WANTED[OUTPUTS] = {
    [TEXT] = {"text", TF_STRING, 1},        /* [texts] */
    [LOG_PROB] = {"log_prob", TF_FLOAT, 1}, /* [texts] */
};

/* The option behind each input, as it is written without its dashes, and what it is by default. */
static struct {
  const char *name;
  double value;
} options[INPUTS] = {
    [MAX_TOKENS] = {"max-tokens", 200}, [TEMPERATURE] = {"temperature", 1}, [TOP_K] = {"top-k", 0},
    [TOP_P] = {"top-p", 1},             [SEED] = {"seed", 0},
};

/* Read one --NAME=NUMBER. */
static void read_option(const char *argument) {
  const char *sign = strchr(argument, '=');
  for (int i = MAX_TOKENS; sign != NULL && i < INPUTS; i++) {
    const size_t length = strlen(options[i].name);
    if ((size_t)(sign - argument) != length + 2 || strncmp(argument + 2, options[i].name, length)) {
      continue;
    }
    char *end = NULL;
    const double value = strtod(sign + 1, &end);
    const bool whole = GIVEN[i].type == TF_FLOAT || (value == (double)(int32_t)value);
    if (end == sign + 1 || *end != '\0' || !whole) {
      fail("%s: is no %s: give a number such as --%s=%g", argument,
           GIVEN[i].type == TF_FLOAT ? "number" : "whole number", options[i].name,
           options[i].value);
    }
    options[i].value = value;
    return;
  }
  fail("%s: is no option of this program: the options are " OPTIONS, argument);
}

/* A tensor of shape [], one number for all texts. */
static TF_Tensor *number_tensor(TF_DataType type, double value) {
  TF_Tensor *tensor = TF_AllocateTensor(type, NULL, 0, TF_DataTypeSize(type));
  if (tensor == NULL) fail("out of memory for one number");
  if (type == TF_FLOAT) {
    *(float *)TF_TensorData(tensor) = (float)value;
  } else {
    *(int32_t *)TF_TensorData(tensor) = (int32_t)value;
  }
  return tensor;
}

/* Print a string on one line. */
static void print_escaped(const TF_TString *string) {
  const char *bytes = TF_StringGetDataPointer(string);
  for (size_t i = 0; i < TF_StringGetSize(string); i++) {
    if (bytes[i] == '\n') {
      fputs("\\n", stdout);
    } else {
      if (bytes[i] == '\\') putchar('\\');
      putchar(bytes[i]);
    }
  }
}

int main(int argc, char **argv) {
  check_call(argc, argv);
  int kept = 2;
  bool only_texts = false; /* behind "--" */
  for (int i = 2; i < argc; i++) {
    if (!only_texts && strcmp(argv[i], "--") == 0) {
      only_texts = true;
    } else if (!only_texts && strncmp(argv[i], "--", 2) == 0) {
      read_option(argv[i]);
    } else {
      argv[kept++] = argv[i];
    }
  }
  Model model = load_model(argv[1], GIVEN, INPUTS, WANTED, OUTPUTS);

  size_t count = 0;
  Text *texts = read_texts(kept, argv, &count);
  TF_Tensor *inputs[INPUTS] = {[PROMPT] = string_tensor(texts, count)};
  for (int i = MAX_TOKENS; i < INPUTS; i++) {
    inputs[i] = number_tensor(GIVEN[i].type, options[i].value);
  }
  TF_Tensor *results[OUTPUTS] = {NULL};
  ask(&model, inputs, count, results);
  free_texts(kept, texts, count);

  const TF_TString *text = TF_TensorData(results[TEXT]);
  const float *log_prob = TF_TensorData(results[LOG_PROB]);
  for (size_t i = 0; i < count; i++) {
    printf("%.9g\t", (double)log_prob[i]); /* keeps every float32 exactly */
    print_escaped(&text[i]);
    putchar('\n');
  }
  finish(&model, results);
  return 0;
}
