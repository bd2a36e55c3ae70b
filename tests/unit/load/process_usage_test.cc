#include "tools/load/process_usage.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tools/load/control.h"
#include "tools/load/monitor.h"

namespace sluice::load {
namespace {

TEST(ProcessStatTest, TheNameMayHoldAnything) {
  const char* rest =
      " S 7 1 1 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 55 1000 77 18446744073709551615";
  for (const char* name : {"sluice", "a b", ") S 9", "((", ""}) {
    const auto stat = ProcessStat::Parse("42 (" + std::string(name) + ")" + rest);
    ASSERT_TRUE(stat.has_value()) << name;
    EXPECT_EQ(stat->parent, 7);
    EXPECT_EQ(stat->user_ticks, 103u);
    EXPECT_EQ(stat->system_ticks, 24u);
    EXPECT_EQ(stat->rss_pages, 77u);
  }
  for (const char* line : {"", "42", "42 (x", "42 (x)", "42 (x) S", "42 (x) S 7 1 1 0"}) {
    EXPECT_FALSE(ProcessStat::Parse(line).has_value()) << line;
  }
}

// A child that uses CPU until it has some, tells, and stays until it is killed.
pid_t BusyChild(int& told) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    volatile uint64_t sum = 0;
    while (clock() < CLOCKS_PER_SEC / 20) sum = sum + 1;
    [[maybe_unused]] const ssize_t bytes = write(ends[1], "x", 1);
    for (;;) pause();
  }
  close(ends[1]);
  told = ends[0];
  return child;
}

TEST(ProcessUsageTest, DescendantsCountAndOthersDoNot) {
  int told = -1;
  const pid_t child = BusyChild(told);
  char word = 0;
  ASSERT_EQ(read(told, &word, 1), 1);
  close(told);
  const pid_t self[] = {getpid()};
  const pid_t only_child[] = {child};
  const auto all = ProcessUsage::OfTrees(self);
  const auto of_child = ProcessUsage::OfTrees(only_child);
  ASSERT_TRUE(all.ok() && of_child.ok());
  EXPECT_GE(all->processes, 2u);
  EXPECT_EQ(of_child->processes, 1u);
  EXPECT_GE(of_child->busy(), milliseconds(30));
  EXPECT_GE(all->busy(), of_child->busy());
  EXPECT_GT(of_child->rss_bytes, 0u);
  EXPECT_GT(all->rss_bytes, of_child->rss_bytes);

  Monitor monitor({child});
  const MonoTime start = MonoNow();
  ASSERT_TRUE(monitor.Begin(start).ok());
  EXPECT_EQ(monitor.next(), start + seconds(1));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  monitor.Sample(start + seconds(1));
  monitor.End(start + seconds(2));
  ASSERT_TRUE(monitor.server().has_value());
  EXPECT_TRUE(monitor.server()->ended);
  EXPECT_GT(monitor.server()->rss_bytes_max, 0u);

  EXPECT_EQ(ProcessUsage::OfTrees(only_child).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(Monitor({child}).Begin(start).ok());
}

}  // namespace
}  // namespace sluice::load
