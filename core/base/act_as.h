// ActAs: root opens and makes files as somebody else for a while, in this thread and as far as files go
// (setfsuid(2)). So what root makes belongs to that account, and a link that the account put in root's way leads
// nowhere it could not go itself. Root's supplementary groups stay: where a link to a file of such a group would
// matter, O_NOFOLLOW as well. Nothing happens for anybody but root. Scopes may nest.
#ifndef SLUICE_CORE_BASE_ACT_AS_H_
#define SLUICE_CORE_BASE_ACT_AS_H_

#include <sys/fsuid.h>
#include <unistd.h>

namespace sluice {

class ActAs {
 public:
  ActAs(uid_t uid, gid_t gid) : active_(geteuid() == 0 && uid != 0) {
    if (!active_) return;
    gid_before_ = static_cast<gid_t>(setfsgid(gid));  // first, while it is still allowed to
    uid_before_ = static_cast<uid_t>(setfsuid(uid));
  }
  ~ActAs() {
    if (!active_) return;
    setfsuid(uid_before_);
    setfsgid(gid_before_);
  }
  ActAs(const ActAs&) = delete;
  ActAs& operator=(const ActAs&) = delete;

 private:
  const bool active_;
  uid_t uid_before_ = 0;
  gid_t gid_before_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_ACT_AS_H_
