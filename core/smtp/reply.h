// All replies of the server in one table, as they go over the wire (RFC 5321 4.2, enhanced status
// codes of RFC 2034 and RFC 3463). A Reply is the whole line, so answering is one copy, and the
// table is checked by the compiler: three digits, a matching enhanced code, printable ASCII, CR LF,
// at most 512 octets.
//
// EHLO's text depends on the listener: see session_config.h. Text that names an address, a login or
// a time is formatted by FormatReply.
#ifndef SLUICE_CORE_SMTP_REPLY_H_
#define SLUICE_CORE_SMTP_REPLY_H_

#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "core/smtp/limits.h"

namespace sluice::smtp {

// One reply line, CR LF included. Borrows its text.
struct Reply {
  ByteView line;

  constexpr int code() const {
    return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  }
  constexpr bool positive() const { return line[0] == '2' || line[0] == '3'; }
  constexpr bool transient() const { return line[0] == '4'; }
  constexpr bool permanent() const { return line[0] == '5'; }
};

// True for "DDD text CR LF" within 512 octets of printable ASCII; when an enhanced code follows,
// its class is the first digit of the reply.
constexpr bool IsReplyLine(ByteView line) {
  if (line.size() < 6 || line.size() > kReplyLineBytesMax || !line.ends_with("\r\n")) return false;
  const ByteView text = line.substr(0, line.size() - 2);
  for (char c : text) {
    if (c < ' ' || c > '~') return false;
  }
  if (text[0] < '2' || text[0] > '5' || !IsAsciiDigit(text[1]) || !IsAsciiDigit(text[2]))
    return false;
  if (text[3] != ' ') return false;
  const bool enhanced = text.size() > 5 && IsAsciiDigit(text[4]) && text[5] == '.';
  return !enhanced || text[4] == text[0];
}

// Appends "CODE ENHANCED text CR LF" and returns it as a Reply that is valid until `out` changes.
// Octets that are not printable ASCII become '?', and a text too long is cut: peer data can go in
// here.
Reply FormatReply(int code, ByteView enhanced, ByteView text, Buffer& out);

namespace internal {
void TextOfReplyIsMalformed();  // never defined: reaching it fails the compilation
consteval Reply Checked(ByteView line) {
  if (!IsReplyLine(line)) TextOfReplyIsMalformed();
  return Reply{line};
}
}  // namespace internal

namespace reply {
using internal::Checked;

// Success.
inline constexpr Reply kOk = Checked("250 2.0.0 Ok\r\n");
inline constexpr Reply kSenderOk = Checked("250 2.1.0 Ok\r\n");
inline constexpr Reply kRecipientOk = Checked("250 2.1.5 Ok\r\n");
inline constexpr Reply kStartMail = Checked("354 End data with <CR><LF>.<CR><LF>\r\n");
inline constexpr Reply kReadyForTls = Checked("220 2.0.0 Ready to start TLS\r\n");
inline constexpr Reply kAuthenticated = Checked("235 2.7.0 Authentication successful\r\n");
inline constexpr Reply kCannotVerify = Checked("252 2.1.5 Send some mail, I will do my best\r\n");
inline constexpr Reply kHelp = Checked("214 2.0.0 See RFC 5321 and RFC 6409\r\n");
inline constexpr Reply kBye = Checked("221 2.0.0 Bye\r\n");

// The connection ends (RFC 5321 3.8).
inline constexpr Reply kTooManyErrors = Checked("421 4.7.0 Too many errors\r\n");
inline constexpr Reply kTooManyLogins = Checked("421 4.7.0 Too many failed logins\r\n");
inline constexpr Reply kTooManySessions =
    Checked("421 4.7.0 Too many connections of this login, or its group\r\n");
inline constexpr Reply kChunkNotTaken =
    Checked("421 4.5.0 BDAT was not offered: what follows it cannot be told from commands\r\n");
inline constexpr Reply kDrainedTooMuch = Checked("421 4.3.4 Message far beyond the size limit\r\n");
inline constexpr Reply kBytesBehindRefusedData =
    Checked("421 4.5.0 Bytes were sent behind a DATA that was refused\r\n");
inline constexpr Reply kServerFull = Checked("421 4.3.2 Too many connections, try again later\r\n");
inline constexpr Reply kShuttingDown = Checked("421 4.3.2 Service shutting down\r\n");
inline constexpr Reply kEndedByOperator = Checked("421 4.3.2 Session ended by the operator\r\n");
inline constexpr Reply kIdleTooLong = Checked("421 4.4.2 Timeout, closing connection\r\n");
inline constexpr Reply kDisabledLogin = Checked("421 4.7.0 Login no longer valid\r\n");

// Command lines.
inline constexpr Reply kLineTooLong = Checked("500 5.5.2 Line too long\r\n");
inline constexpr Reply kBareLineFeed =
    Checked("500 5.5.2 Bare LF in command: lines end in CR LF\r\n");
inline constexpr Reply kControlInLine = Checked("500 5.5.2 NUL or bare CR in command\r\n");
inline constexpr Reply kUnknownCommand = Checked("500 5.5.1 Unknown command\r\n");
inline constexpr Reply kNotImplemented = Checked("502 5.5.1 Command not implemented\r\n");
inline constexpr Reply kNoArgumentAllowed = Checked("501 5.5.4 No argument allowed\r\n");
inline constexpr Reply kArgumentMissing = Checked("501 5.5.4 Argument missing\r\n");

// Order of commands.
inline constexpr Reply kHelloFirst = Checked("503 5.5.1 EHLO first\r\n");
inline constexpr Reply kNeedMail = Checked("503 5.5.1 MAIL first\r\n");
inline constexpr Reply kNeedRecipient = Checked("554 5.5.1 No valid recipients\r\n");
inline constexpr Reply kNestedMail = Checked("503 5.5.1 Nested MAIL command\r\n");
inline constexpr Reply kNotInTransaction =
    Checked("503 5.5.1 Not allowed inside a transaction\r\n");
inline constexpr Reply kAuthFirst = Checked("530 5.7.0 Authentication required\r\n");
inline constexpr Reply kTlsFirst = Checked("530 5.7.0 Must issue a STARTTLS command first\r\n");

// STARTTLS (RFC 3207).
inline constexpr Reply kTlsAlready = Checked("503 5.5.1 TLS is already active\r\n");
inline constexpr Reply kTlsNotOffered = Checked("502 5.5.1 STARTTLS is not offered\r\n");
inline constexpr Reply kTlsUnavailable =
    Checked("454 4.7.0 TLS not available due to temporary reason\r\n");

// AUTH (RFC 4954 section 6).
inline constexpr Reply kAuthAlready = Checked("503 5.5.1 Already authenticated\r\n");
inline constexpr Reply kAuthNotOffered = Checked("502 5.5.1 AUTH is not offered\r\n");
inline constexpr Reply kAuthUnknownMechanism =
    Checked("504 5.5.4 Unrecognized authentication type\r\n");
inline constexpr Reply kAuthNeedsTls =
    Checked("538 5.7.11 Encryption required for requested authentication mechanism\r\n");
inline constexpr Reply kAuthBadBase64 = Checked("501 5.5.2 Cannot decode response\r\n");
inline constexpr Reply kAuthMalformed = Checked("501 5.5.2 Malformed authentication response\r\n");
inline constexpr Reply kAuthCancelled = Checked("501 5.7.0 Authentication cancelled\r\n");
inline constexpr Reply kAuthLineTooLong =
    Checked("500 5.5.6 Authentication exchange line is too long\r\n");
inline constexpr Reply kAuthBadCredentials =
    Checked("535 5.7.8 Authentication credentials invalid\r\n");
inline constexpr Reply kAuthTemporary = Checked("454 4.7.0 Temporary authentication failure\r\n");
inline constexpr Reply kAuthTooWeak = Checked("534 5.7.9 Authentication mechanism is too weak\r\n");
inline constexpr Reply kAuthTransition = Checked("432 4.7.12 A password transition is needed\r\n");

// Addresses and parameters.
inline constexpr Reply kMailSyntax = Checked("501 5.5.4 Syntax: MAIL FROM:<address>\r\n");
inline constexpr Reply kRcptSyntax = Checked("501 5.5.4 Syntax: RCPT TO:<address>\r\n");
inline constexpr Reply kSenderMalformed = Checked("501 5.1.7 Bad sender address syntax\r\n");
inline constexpr Reply kSenderUnqualified = Checked("553 5.1.3 Sender address has no domain\r\n");
inline constexpr Reply kSenderNotFqdn =
    Checked("501 5.1.7 Domain of sender address is not fully qualified\r\n");
inline constexpr Reply kRecipientMalformed = Checked("501 5.1.3 Bad recipient address syntax\r\n");
inline constexpr Reply kRecipientUnqualified =
    Checked("553 5.1.3 Recipient address has no domain\r\n");
inline constexpr Reply kRecipientNotFqdn =
    Checked("501 5.1.3 Domain of recipient address is not fully qualified\r\n");
inline constexpr Reply kRecipientNull = Checked("501 5.1.3 Null recipient address\r\n");
inline constexpr Reply kAddressTooLong = Checked("501 5.1.0 Address too long\r\n");
inline constexpr Reply kAddressNotAscii = Checked("553 5.6.7 Non-ASCII address needs SMTPUTF8\r\n");
inline constexpr Reply kParameterUnknown = Checked("555 5.5.4 Parameter not recognized\r\n");
inline constexpr Reply kParameterMalformed = Checked("501 5.5.4 Bad or repeated parameter\r\n");
inline constexpr Reply kTooManyRecipients = Checked("452 4.5.3 Too many recipients\r\n");

// The message.
inline constexpr Reply kMessageTooBig = Checked("552 5.3.4 Message exceeds the size limit\r\n");
inline constexpr Reply kHeaderTooBig =
    Checked("552 5.3.4 Header section exceeds the size limit\r\n");
inline constexpr Reply kMailLoop = Checked("554 5.4.6 Too many hops: mail loop\r\n");
inline constexpr Reply kBareCarriageReturn =
    Checked("550 5.6.0 Bare CR in message: lines end in CR LF\r\n");
inline constexpr Reply kNulInMessage = Checked("550 5.6.0 NUL in message\r\n");

// For the outside, at its own bounds (architecture section 7).
inline constexpr Reply kSpoolFull = Checked("452 4.3.1 Insufficient system storage\r\n");
inline constexpr Reply kSpoolFailed = Checked("451 4.3.0 Cannot store mail at present\r\n");
inline constexpr Reply kRelayingDenied =
    Checked("550 5.7.1 Relaying denied: the recipient is not local, and you are not logged in\r\n");
inline constexpr Reply kFromNotOwned =
    Checked("550 5.7.1 From names an address not owned by the authenticated user\r\n");
inline constexpr Reply kSenderFieldNotOwned =
    Checked("550 5.7.1 Sender names an address not owned by the authenticated user\r\n");
inline constexpr Reply kOriginatorsUnreadable =
    Checked("550 5.7.1 From or Sender is no list of addresses (RFC 5322 3.6.2)\r\n");
inline constexpr Reply kFromMissing =
    Checked("550 5.7.1 Message without a From field (RFC 5322 3.6)\r\n");
inline constexpr Reply kSubmitterUnknown =
    Checked("550 5.7.1 The submitter named by AUTH= may not send\r\n");
inline constexpr Reply kSubmitterTemporary =
    Checked("451 4.3.0 The submitter named by AUTH= cannot be looked up now\r\n");
inline constexpr Reply kSenderNotOwned =
    Checked("553 5.7.1 Sender address not owned by the authenticated user\r\n");
}  // namespace reply

}  // namespace sluice::smtp

#endif  // SLUICE_CORE_SMTP_REPLY_H_
