// HelperThread: runs what may block (making segment files) off the shards, in order. Shards give it
// tasks; a task posts its result back to the shard's mailbox itself. The server has one for files
// and one for records.
#ifndef SLUICE_CORE_SERVER_HELPER_THREAD_H_
#define SLUICE_CORE_SERVER_HELPER_THREAD_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace sluice::server {

class HelperThread {
 public:
  HelperThread();
  ~HelperThread() { Stop(); }
  HelperThread(const HelperThread&) = delete;
  HelperThread& operator=(const HelperThread&) = delete;

  // From any thread. Few and far between: a lock is taken. Dropped after Stop.
  void Run(std::function<void()> task);

  // Ends after the task in hand; tasks still waiting are dropped.
  void Stop();

 private:
  void Loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;  // under mutex_
  bool stopping_ = false;                    // under mutex_
  std::thread thread_;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_HELPER_THREAD_H_
