/* model_folder.h: what the programs of this folder share: ask a signature of an exported model,
 * texts in, one row of answers for each.
 *
 * A program defines as strings PROGRAM, its name, TASK, the task of the models it takes, SIGNATURE,
 * what it asks of them, and OPTIONS, those of its usage, and includes this file. Reading from top to bottom: reporting a failure, finding the graph's tensors
 * in textlstm.json, the texts, a loaded model and its answers.
 *
 * Every failure is one line on standard error that begins with the program's name. The exit status
 * is 0 when all went well, 1 for a failure and 2 for a wrong call. TensorFlow writes its own log to
 * standard error too, some of it before main; TF_CPP_MIN_LOG_LEVEL=3 in the environment leaves
 * little of it (setting that from main comes too late, the library has read it by then).
 */

#define _POSIX_C_SOURCE 200809L /* getline */

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

/* ---- Failures ----------------------------------------------------------------------------- */

/* Say what went wrong, where, and what to do; then end. The end of the process gives back what is
 * still held, so no caller cleans up after a failure; a run without one frees everything itself.
 * Line breaks become spaces: TensorFlow's own messages have some, and a failure is one line. */
static _Noreturn void fail(const char *format, ...) {
  char message[4096];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  for (char *c = message; *c != '\0'; c++) {
    if (*c == '\n' || *c == '\r') *c = ' ';
  }
  fprintf(stderr, PROGRAM ": %s\n", message);
  exit(1);
}

/* realloc that never returns NULL; with `memory` NULL it is malloc. */
static void *grow(void *memory, size_t bytes) {
  memory = realloc(memory, bytes > 0 ? bytes : 1);
  if (memory == NULL) fail("out of memory for %zu bytes: give fewer texts at once", bytes);
  return memory;
}

/* ---- textlstm.json: the names of the graph's tensors ---------------------------------------- */

/* A place in a JSON text. Copying the struct remembers the place. */
typedef struct {
  const char *at, *end;
  char *text; /* the last string read, without quotes and escapes. It has room for the whole file:
                 no string grows when its escapes are resolved. */
} Json;

enum { MAX_DEPTH = 500 }; /* of nested values: a hostile file must not exhaust the stack */

static void skip_space(Json *json) {
  while (json->at < json->end && (*json->at == ' ' || *json->at == '\t' || *json->at == '\r' ||
                                  *json->at == '\n')) {
    json->at++;
  }
}

/* Step over spaces and then over `c`, if it comes next. */
static bool take(Json *json, char c) {
  skip_space(json);
  if (json->at == json->end || *json->at != c) return false;
  json->at++;
  return true;
}

/* The four hexadecimal digits of \uXXXX, or -1. */
static long take_hex4(Json *json) {
  long value = 0;
  for (int i = 0; i < 4; i++, json->at++) {
    if (json->at == json->end || !isxdigit((unsigned char)*json->at)) return -1;
    const int c = tolower((unsigned char)*json->at);
    value = value * 16 + (c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return value;
}

/* Write one character as UTF-8 and return the place behind it. U+0000 gets the two-byte form
 * C0 80, which no other text has, so that a string stays a C string. */
static char *put_utf8(char *out, long c) {
  if (c > 0 && c < 0x80) {
    *out++ = (char)c;
    return out;
  }
  if (c < 0x800) {
    *out++ = (char)(0xC0 | (c >> 6));
  } else {
    if (c < 0x10000) {
      *out++ = (char)(0xE0 | (c >> 12));
    } else {
      *out++ = (char)(0xF0 | (c >> 18));
      *out++ = (char)(0x80 | ((c >> 12) & 0x3F));
    }
    *out++ = (char)(0x80 | ((c >> 6) & 0x3F));
  }
  *out++ = (char)(0x80 | (c & 0x3F));
  return out;
}

/* Read a string into json->text. */
static bool read_string(Json *json) {
  char *out = json->text;
  if (!take(json, '"')) return false;
  while (json->at < json->end && *json->at != '"') {
    if ((unsigned char)*json->at < 0x20) return false; /* JSON has these as escapes only */
    if (*json->at != '\\') {
      *out++ = *json->at++;
      continue;
    }
    if (++json->at == json->end) return false;
    const char escape = *json->at++;
    const char *known = "\"\"\\\\//b\bf\fn\nr\rt\t"; /* pairs: the letter, what it stands for */
    while (*known != '\0' && *known != escape) known += 2;
    if (*known != '\0') {
      *out++ = known[1];
    } else if (escape == 'u') {
      long c = take_hex4(json);
      if (c < 0) return false;
      /* A character beyond U+FFFF comes as two halves. */
      if (c >= 0xD800 && c < 0xDC00 && json->end - json->at >= 6 && json->at[0] == '\\' &&
          json->at[1] == 'u') {
        Json behind = *json;
        behind.at += 2;
        const long low = take_hex4(&behind);
        if (low >= 0xDC00 && low < 0xE000) {
          c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
          *json = behind;
        }
      }
      out = put_utf8(out, c);
    } else {
      return false;
    }
  }
  *out = '\0';
  return take(json, '"');
}

/* Step over a whole value. */
static bool skip_value(Json *json, int depth) {
  if (depth == 0) return false;
  const bool object = take(json, '{');
  if (object || take(json, '[')) {
    const char close = object ? '}' : ']';
    if (take(json, close)) return true;
    do {
      if (object && !(read_string(json) && take(json, ':'))) return false;
      if (!skip_value(json, depth - 1)) return false;
    } while (take(json, ','));
    return take(json, close);
  }
  if (json->at < json->end && *json->at == '"') return read_string(json);
  /* A number or a word. Python also writes NaN and Infinity; what exactly it is does not matter. */
  const char *start = json->at;
  while (json->at < json->end && (isalnum((unsigned char)*json->at) || *json->at == '-' ||
                                  *json->at == '+' || *json->at == '.')) {
    json->at++;
  }
  return json->at > start;
}

/* Go from the start of an object to the value of its member `key`. */
static bool enter(Json *json, const char *key) {
  if (!take(json, '{')) return false;
  do {
    if (!read_string(json)) return false;
    const bool found = strcmp(json->text, key) == 0;
    if (!take(json, ':')) return false;
    if (found) return true;
    if (!skip_value(json, MAX_DEPTH)) return false;
  } while (take(json, ','));
  return false;
}

/* The string at the end of a path of keys, or NULL. It lasts until the next string is read. */
static const char *string_at(Json json, const char *const *keys, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!enter(&json, keys[i])) return NULL;
  }
  return read_string(&json) ? json.text : NULL;
}

/* Read the file and check that it is JSON from its first byte to its last, so that afterwards a
 * path that leads nowhere can only mean that the key is missing. */
static Json open_json(const char *folder, const char *path) {
  struct stat found;
  if (stat(folder, &found) != 0 || !S_ISDIR(found.st_mode)) {
    fail("%s: no such folder: give the version folder of an exported model, such as models/NAME/1",
         folder);
  }
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    fail("%s: cannot be read (%s): give the version folder of an exported model, such as "
         "models/NAME/1, with its assets.extra",
         path, strerror(errno));
  }
  char *bytes = NULL;
  size_t length = 0, got;
  do {
    bytes = grow(bytes, length + 65536);
    got = fread(bytes + length, 1, 65536, file);
    length += got;
  } while (got > 0);
  if (ferror(file)) fail("%s: cannot be read (%s): export the model again", path, strerror(errno));
  fclose(file);

  Json json = {bytes, bytes + length, grow(NULL, length + 1)};
  Json check = json;
  const bool whole = skip_value(&check, MAX_DEPTH);
  if (whole) skip_space(&check);
  if (!whole || check.at != check.end) {
    size_t line = 1;
    for (const char *c = bytes; c < check.at; c++) line += *c == '\n';
    fail("%s: not valid JSON at line %zu: export the model again", path, line);
  }
  return json;
}

/* The graph's tensor behind one input or output ("inputs" or "outputs", then its name) of the
 * signature. A tensor's name is OPERATION:INDEX. */
static TF_Output find_tensor(TF_Graph *graph, Json json, const char *path, const char *side,
                             const char *name, TF_DataType type) {
  const char *const keys[] = {"signatures", SIGNATURE, side, name, "tensor"};
  const char *tensor = string_at(json, keys, sizeof keys / sizeof *keys);
  if (tensor == NULL) {
    const char *const task_key[] = {"task"};
    const char *task = string_at(json, task_key, 1);
    fail("%s: the signature " SIGNATURE " has no \"%s\" among its %s: this program takes a " TASK
         ", and this is a %s",
         path, name, side, task != NULL ? task : "folder that names no task");
  }

  const char *colon = strrchr(tensor, ':');
  char *digits_end = NULL;
  const long index = colon != NULL ? strtol(colon + 1, &digits_end, 10) : -1;
  char *operation_name = grow(NULL, strlen(tensor) + 1);
  strcpy(operation_name, tensor);
  TF_Operation *operation = NULL;
  if (colon != NULL && isdigit((unsigned char)colon[1]) && *digits_end == '\0') {
    operation_name[colon - tensor] = '\0';
    operation = TF_GraphOperationByName(graph, operation_name);
  }
  free(operation_name);
  if (operation == NULL || index >= TF_OperationNumOutputs(operation)) {
    fail("%s: names the tensor \"%s\" for \"%s\", which saved_model.pb does not have: the two "
         "files must come from one export",
         path, tensor, name);
  }
  const TF_Output found = {operation, (int)index};
  if (TF_OperationOutputType(found) != type) {
    fail("%s: \"%s\" is the tensor \"%s\", whose type is %d where this program takes %d (see "
         "TF_DataType in tf_datatype.h): export the model again",
         path, name, tensor, (int)TF_OperationOutputType(found), (int)type);
  }
  return found;
}

/* ---- The texts ------------------------------------------------------------------------------ */

/* Bytes with their length: a text may hold NUL, and need not be valid UTF-8. */
typedef struct {
  char *bytes;
  size_t length;
} Text;

/* All lines of standard input, without the line feeds; a carriage return is part of its line. */
static Text *read_lines(size_t *count) {
  Text *lines = NULL;
  size_t room = 0;
  *count = 0;
  for (;;) {
    char *line = NULL;
    size_t line_room = 0;
    errno = 0;
    ssize_t length = getline(&line, &line_room, stdin);
    if (length < 0) {
      free(line);
      if (!feof(stdin)) fail("standard input: cannot be read (%s): try again", strerror(errno));
      return lines;
    }
    if (line[length - 1] == '\n') length--;
    if (*count == room) {
      room = room > 0 ? 2 * room : 64;
      lines = grow(lines, room * sizeof *lines);
    }
    lines[(*count)++] = (Text){line, (size_t)length};
  }
}

/* A string tensor of shape [count]. Its memory comes uninitialised, hence TF_StringInit; the
 * copies belong to the tensor, and TF_DeleteTensor frees them with it. */
static TF_Tensor *string_tensor(const Text *texts, size_t count) {
  const int64_t shape[] = {(int64_t)count};
  TF_Tensor *tensor = TF_AllocateTensor(TF_STRING, shape, 1, count * sizeof(TF_TString));
  if (tensor == NULL) fail("out of memory for %zu texts: give fewer texts at once", count);
  TF_TString *strings = TF_TensorData(tensor);
  for (size_t i = 0; i < count; i++) {
    TF_StringInit(&strings[i]);
    TF_StringCopy(&strings[i], texts[i].bytes, texts[i].length);
  }
  return tensor;
}

/* The texts that follow the folder among the arguments, or else the lines of standard input. */
static Text *read_texts(int argc, char **argv, size_t *count) {
  if (argc == 2) return read_lines(count);
  *count = (size_t)argc - 2;
  Text *texts = grow(NULL, *count * sizeof *texts);
  for (size_t i = 0; i < *count; i++) texts[i] = (Text){argv[i + 2], strlen(argv[i + 2])};
  return texts;
}

static void free_texts(int argc, Text *texts, size_t count) {
  for (size_t i = 0; argc == 2 && i < count; i++) free(texts[i].bytes);
  free(texts);
}

/* ---- The model ------------------------------------------------------------------------------ */

/* One input of the signature. */
typedef struct {
  const char *name;
  TF_DataType type;
} Given;

/* One output of the signature; the first of its dimensions is that of the texts. */
typedef struct {
  const char *name;
  TF_DataType type;
  int dimensions;
} Wanted;

enum { MAX_INPUTS = 8, MAX_OUTPUTS = 8 };

typedef struct {
  const char *folder;
  TF_Graph *graph;
  TF_Session *session;
  TF_SessionOptions *options;
  TF_Status *status;
  TF_Output inputs[MAX_INPUTS], outputs[MAX_OUTPUTS];
  const Wanted *wanted;
  int input_count, count; /* count: of the outputs */
} Model;

/* Show how the program is called, and end, unless it was called with a folder. */
static void check_call(int argc, char **argv) {
  if (argc < 2 || argv[1][0] == '-') {
    fprintf(stderr, "usage: " PROGRAM " MODEL_VERSION_FOLDER " OPTIONS "[TEXT ...]   (without TEXT: "
                    "one text per line of standard input)\n");
    exit(2);
  }
}

/* Load the graph and its variables, and find its tensors. */
static Model load_model(const char *folder, const Given *given, int input_count,
                        const Wanted *wanted, int count) {
  const char *inside = "/assets.extra/textlstm.json";
  char *path = grow(NULL, strlen(folder) + strlen(inside) + 1);
  strcat(strcpy(path, folder), inside);
  Json json = open_json(folder, path);
  const char *json_bytes = json.at;

  Model model = {.folder = folder,
                 .graph = TF_NewGraph(),
                 .options = TF_NewSessionOptions(),
                 .status = TF_NewStatus(),
                 .wanted = wanted,
                 .input_count = input_count,
                 .count = count};
  const char *tags[] = {"serve"}; /* the tag of every inference SavedModel */
  model.session = TF_LoadSessionFromSavedModel(model.options, NULL, folder, tags, 1, model.graph,
                                               NULL, model.status);
  if (TF_GetCode(model.status) != TF_OK) {
    fail("%s: TensorFlow %s cannot load this SavedModel: export it again, or use the TensorFlow "
         "version named in its textlstm.json: %s",
         folder, TF_Version(), TF_Message(model.status));
  }
  for (int i = 0; i < input_count; i++) {
    model.inputs[i] = find_tensor(model.graph, json, path, "inputs", given[i].name, given[i].type);
  }
  for (int i = 0; i < count; i++) {
    model.outputs[i] =
        find_tensor(model.graph, json, path, "outputs", wanted[i].name, wanted[i].type);
  }
  free((void *)json_bytes);
  free(json.text);
  free(path);
  return model;
}

/* One run for all texts together; one result for each output, with a row for each text. The inputs
 * are given back. */
static void ask(Model *model, TF_Tensor **inputs, size_t rows, TF_Tensor **results) {
  TF_SessionRun(model->session, NULL, model->inputs, inputs, model->input_count, model->outputs,
                results, model->count, NULL, 0, NULL, model->status);
  if (TF_GetCode(model->status) != TF_OK) {
    fail("%s: TensorFlow %s cannot run the signature " SIGNATURE " on this batch (of %zu): give "
         "fewer texts at once if memory ran out, otherwise export again: %s",
         model->folder, TF_Version(), rows, TF_Message(model->status));
  }
  int64_t columns = -1; /* of the outputs that have some: the same number */
  for (int i = 0; i < model->count; i++) {
    const int dimensions = TF_NumDims(results[i]);
    if (dimensions == 2 && columns < 0) columns = TF_Dim(results[i], 1);
    if (dimensions != model->wanted[i].dimensions || TF_Dim(results[i], 0) != (int64_t)rows ||
        (dimensions == 2 && TF_Dim(results[i], 1) != columns)) {
      fail("%s: the output \"%s\" has another shape than one row for each text (here %zu) and, "
           "where it has columns, one for each class: export the model again",
           model->folder, model->wanted[i].name, rows);
    }
  }
  for (int i = 0; i < model->input_count; i++) TF_DeleteTensor(inputs[i]);
}

static inline void print_string(const TF_TString *string) {
  fwrite(TF_StringGetDataPointer(string), 1, TF_StringGetSize(string), stdout);
}

/* Make sure that all was written, and give everything back.
 *
 * TF_DeleteTensor frees a string tensor's strings once nobody else holds them. Calling
 * TF_StringDealloc on a result would be wrong: a result may share its memory with a constant of the
 * graph, which the next run needs. */
static void finish(Model *model, TF_Tensor **results) {
  if (fflush(stdout) != 0 || ferror(stdout)) {
    fail("standard output: cannot be written (%s): make room, or write elsewhere",
         strerror(errno));
  }
  for (int i = 0; i < model->count; i++) TF_DeleteTensor(results[i]);
  TF_CloseSession(model->session, model->status);
  TF_DeleteSession(model->session, model->status);
  TF_DeleteSessionOptions(model->options);
  TF_DeleteGraph(model->graph);
  TF_DeleteStatus(model->status);
}
