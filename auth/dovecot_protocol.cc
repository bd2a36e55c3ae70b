#include "auth/dovecot_protocol.h"

#include <algorithm>
#include <charconv>

#include "core/base/base64.h"

namespace sluice::auth {
namespace {

constexpr char kEscape = '\1';

// The part of `text` up to the next `separator`, which is taken away with it.
ByteView TakeUntil(char separator, ByteView& text) {
  const size_t end = std::min(text.find(separator), text.size());
  const ByteView part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

void Unescape(ByteView field, std::string& out) {
  out.clear();
  for (size_t i = 0; i < field.size(); i++) {
    if (field[i] != kEscape || i + 1 == field.size()) {
      out += field[i];
      continue;
    }
    switch (const char letter = field[++i]) {
      case '0':
        out += '\0';
        break;
      case '1':
        out += kEscape;
        break;
      case 't':
        out += '\t';
        break;
      case 'r':
        out += '\r';
        break;
      case 'n':
        out += '\n';
        break;
      default:
        out += letter;
    }
  }
}

void AppendEscaped(ByteView text, Buffer& out) {
  for (const char c : text) {
    constexpr ByteView kSpecial("\0\1\t\r\n", 5);
    const size_t special = kSpecial.find(c);
    if (special == ByteView::npos) {
      out.Append(c);
    } else {
      out.Append(kEscape);
      out.Append("01trn"[special]);
    }
  }
}

void AppendNumber(uint32_t number, Buffer& out) {
  char text[10];
  out.Append(ByteView(
      text, static_cast<size_t>(std::to_chars(text, text + sizeof text, number).ptr - text)));
}

void AppendText(ByteView name, ByteView value, Buffer& out) {
  if (value.empty()) return;
  out.Append(name);
  AppendEscaped(value, out);
}

void AppendPort(ByteView name, uint16_t port, Buffer& out) {
  if (port == 0) return;
  out.Append(name);
  AppendNumber(port, out);
}

bool ParseNumber(ByteView text, uint32_t& number) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && stop == text.data() + text.size();
}

// Takes back what does not fit, with what it says.
bool EndLine(size_t before, Buffer& out) {
  out.Append('\n');
  if (out.size() - before <= kDovecotSentBytesMax) return true;
  Wipe(out.data() + before, out.size() - before);
  out.Truncate(before);
  return false;
}

void AppendList(ByteView list, std::vector<std::string>& out) {
  while (!list.empty()) {
    const ByteView item = TakeUntil(',', list);
    if (!item.empty()) out.emplace_back(item);
  }
}

}  // namespace

// --- reading
// --------------------------------------------------------------------------------------

DovecotReader::Event DovecotReader::OnInput(ByteView& input) {
  for (;;) {
    const size_t end = input.substr(0, kDovecotReadBytesMax).find('\n');
    if (end == ByteView::npos) {
      return input.size() < kDovecotReadBytesMax ? Event::kNone
                                                 : Break("sent a line that is too long");
    }
    const ByteView line = input.substr(0, end);
    input.remove_prefix(end + 1);
    const Event event = OnLine(line);
    if (event != Event::kNone) return event;
  }
}

DovecotReader::Event DovecotReader::OnLine(ByteView line) {
  Forget();
  const ByteView command = TakeUntil('\t', line);
  return ready_ ? OnAnswer(command, line) : OnHandshake(command, line);
}

DovecotReader::Event DovecotReader::OnHandshake(ByteView command, ByteView fields) {
  if (!version_seen_) {
    if (command != "VERSION") return Break("does not speak Dovecot's authentication protocol");
    if (TakeUntil('\t', fields) != "1") return Break("speaks another version of the protocol");
    version_seen_ = true;
    return Event::kNone;
  }
  if (command == "MECH") {
    const auto mechanism = FindMechanism(TakeUntil('\t', fields));
    bool hidden = false;
    while (!fields.empty()) {
      const ByteView flag = TakeUntil('\t', fields);
      hidden |= flag == "private" || flag == "anonymous";
    }
    if (mechanism.has_value() && !hidden) offered_.Add(*mechanism);
  } else if (command == "DONE") {
    ready_ = true;
    return Event::kReady;
  }
  return Event::kNone;
}

DovecotReader::Event DovecotReader::OnAnswer(ByteView command, ByteView fields) {
  const bool goes_on = command == "CONT", ok = command == "OK";
  if (!goes_on && !ok && command != "FAIL") return Event::kNone;
  if (!ParseNumber(TakeUntil('\t', fields), id_))
    return Break("answered without a request's number");
  if (goes_on) {
    const ByteView text = TakeUntil('\t', fields);
    challenge_.resize(Base64DecodedBytesMax(text.size()));
    const ptrdiff_t bytes = Base64Decode(text, challenge_);
    if (bytes < 0) return Break("sent a challenge that is no base64");
    challenge_.resize(static_cast<size_t>(bytes));
    return Event::kContinue;
  }
  while (!fields.empty()) TakeField(TakeUntil('\t', fields));
  return ok ? Event::kOk : Event::kFail;
}

void DovecotReader::TakeField(ByteView field) {
  std::string value;
  const bool has_value = field.find('=') != ByteView::npos;
  const ByteView name = TakeUntil('=', field);
  Unescape(field, value);
  if (name == "user") {
    user_ = std::move(value);
  } else if (name == "code") {  // from 2.3 on, in place of the bare words
    temporary_ |= value == "temp_fail";
  } else if (name == "temp") {
    temporary_ = true;
  } else if (name == "nologin" || name == "proxy" || name == "proxy_maybe") {
    elsewhere_ |= !has_value || (value != "n" && value != "no");
  } else if (name == "sluice_address") {
    AppendList(value, addresses_);
  } else if (name == "sluice_domain") {
    AppendList(value, domains_);
  } else if (name == "sluice_tenant") {
    tenant_ = std::move(value);
  }
}

void DovecotReader::Forget() {
  temporary_ = elsewhere_ = false;
  id_ = 0;
  challenge_.clear();
  user_.clear();
  tenant_.clear();
  addresses_.clear();
  domains_.clear();
}

DovecotReader::Event DovecotReader::Break(ByteView error) {
  error_ = error;
  return Event::kBroken;
}

// --- writing
// --------------------------------------------------------------------------------------

void AppendDovecotHello(uint32_t process_id, Buffer& out) {
  out.Append("VERSION\t1\t2\nCPID\t");
  AppendNumber(process_id, out);
  out.Append('\n');
}

bool AppendDovecotAuth(const DovecotRequest& request, Buffer& out) {
  const size_t before = out.size();
  out.Append("AUTH\t");
  AppendNumber(request.id, out);
  AppendText("\t", request.mechanism, out);
  out.Append("\tservice=smtp");
  if (request.tls) out.Append("\tsecured=tls");
  AppendText("\tsession=", request.session, out);
  AppendText("\tlip=", request.local_ip, out);
  AppendText("\trip=", request.remote_ip, out);
  AppendPort("\tlport=", request.local_port, out);
  AppendPort("\trport=", request.remote_port, out);
  if (request.response.has_value()) {  // the last: what is behind it is not looked at
    out.Append("\tresp=");
    if (request.response->empty()) out.Append('=');
    Base64Encode(*request.response, out);
  }
  return EndLine(before, out);
}

bool AppendDovecotContinue(uint32_t id, ByteView response, Buffer& out) {
  const size_t before = out.size();
  out.Append("CONT\t");
  AppendNumber(id, out);
  out.Append('\t');
  Base64Encode(response, out);
  return EndLine(before, out);
}

void AppendDovecotCancel(uint32_t id, Buffer& out) {
  out.Append("CANCEL\t");
  AppendNumber(id, out);
  out.Append('\n');
}

}  // namespace sluice::auth
