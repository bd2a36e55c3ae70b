// MIT's GSS-API library (libgssapi_krb5) as C++ has it: buffers and names that are given back,
// errors as text. For kerberos_acceptor.cc and gssapi_client.cc alone.
#ifndef SLUICE_AUTH_KERBEROS_LIBRARY_H_
#define SLUICE_AUTH_KERBEROS_LIBRARY_H_

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_krb5.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/bytes.h"

namespace sluice::auth::kerberos {

inline gss_buffer_desc BufferOf(ByteView bytes) {
  return {.length = bytes.size(), .value = const_cast<char*>(bytes.data())};
}

// A buffer that the library fills.
class Output {
 public:
  Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() {
    OM_uint32 minor = 0;
    gss_release_buffer(&minor, &buffer_);
  }
  gss_buffer_t get() { return &buffer_; }
  ByteView view() const {
    return ByteView(static_cast<const char*>(buffer_.value), buffer_.length);
  }

 private:
  gss_buffer_desc buffer_ = GSS_C_EMPTY_BUFFER;
};

class Name {
 public:
  Name() = default;
  Name(const Name&) = delete;
  Name& operator=(const Name&) = delete;
  ~Name() {
    OM_uint32 minor = 0;
    if (name_ != GSS_C_NO_NAME) gss_release_name(&minor, &name_);
  }
  gss_name_t* out() { return &name_; }
  gss_name_t get() const { return name_; }
  std::string Show() const {
    OM_uint32 minor = 0;
    Output text;
    const OM_uint32 major = gss_display_name(&minor, name_, text.get(), nullptr);
    return GSS_ERROR(major) ? std::string() : std::string(text.view());
  }

 private:
  gss_name_t name_ = GSS_C_NO_NAME;
};

// What the library has to say, its mechanism's part first.
inline std::string Explain(OM_uint32 major, OM_uint32 minor) {
  std::string text;
  const auto add = [&text](OM_uint32 code, int type) {
    OM_uint32 more = 0;
    do {
      OM_uint32 ignored = 0;
      Output message;
      if (GSS_ERROR(
              gss_display_status(&ignored, code, type, gss_mech_krb5, &more, message.get()))) {
        return;
      }
      absl::StrAppend(&text, text.empty() ? "" : "; ", message.view());
    } while (more != 0);
  };
  if (minor != 0) add(minor, GSS_C_MECH_CODE);
  if (text.empty()) add(major, GSS_C_GSS_CODE);
  return text;
}

}  // namespace sluice::auth::kerberos

#endif  // SLUICE_AUTH_KERBEROS_LIBRARY_H_
