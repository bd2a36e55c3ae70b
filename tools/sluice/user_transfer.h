// `sluice user import|export`: users from and to files (user_file.h).
#ifndef SLUICE_TOOLS_SLUICE_USER_TRANSFER_H_
#define SLUICE_TOOLS_SLUICE_USER_TRANSFER_H_

namespace CLI {
class App;
}

namespace sluice {

// `user`: the command that they are part of.
void RegisterTransfer(CLI::App& user);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_USER_TRANSFER_H_
