// JsonWriter: appends JSON to a Buffer, fast and without allocating. It trusts its caller about
// order (a key, then its value; every Begin with its End), and nobody else: text is escaped
// whatever it holds.
//
//   JsonWriter json(&out);
//   json.BeginObject();
//   json.Field("id", id);
//   json.EndObject();
//
// Text is taken as UTF-8. A byte that is no part of a valid sequence becomes \u00XX, as if it were
// Latin-1, so that the line stays valid and the byte can still be told. Control characters are
// escaped, DEL and C1 too, so that a log shown on a terminal cannot drive it.
#ifndef SLUICE_CORE_BASE_JSON_WRITER_H_
#define SLUICE_CORE_BASE_JSON_WRITER_H_

#include <cstdint>

#include "core/base/buffer.h"
#include "core/base/bytes.h"

namespace sluice {

class JsonWriter {
 public:
  explicit JsonWriter(Buffer* out) : out_(*out) {}

  void BeginObject() { Begin('{'); }
  void EndObject() { End('}'); }
  void BeginArray() { Begin('['); }
  void EndArray() { End(']'); }

  // REQUIRES: `name` needs no escapes (it is ours).
  void Key(ByteView name);

  void String(ByteView text);
  void Number(uint64_t number);
  void Bool(bool value) { Raw(value ? "true" : "false"); }
  void Raw(ByteView json);  // a value that is JSON already

  void Field(ByteView name, ByteView text) {
    Key(name);
    String(text);
  }
  void Field(ByteView name, const char* text) { Field(name, ByteView(text)); }
  void Field(ByteView name, uint64_t number) {
    Key(name);
    Number(number);
  }
  void BoolField(ByteView name, bool value) {
    Key(name);
    Bool(value);
  }

 private:
  void Begin(char bracket) {
    Comma();
    out_.Append(bracket);
    need_comma_ = false;
  }
  void End(char bracket) {
    out_.Append(bracket);
    need_comma_ = true;
  }
  void Comma() {
    if (need_comma_) out_.Append(',');
    need_comma_ = true;
  }

  Buffer& out_;
  bool need_comma_ = false;
};

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_JSON_WRITER_H_
