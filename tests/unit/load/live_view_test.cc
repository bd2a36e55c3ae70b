#include "tools/load/live_view.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::load {
namespace {

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  size_t begin = 0;
  for (size_t end = text.find('\n'); end != text.npos; end = text.find('\n', begin)) {
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  EXPECT_EQ(begin, text.size()) << "the last line has no end";
  return lines;
}

size_t Columns(const std::string& line) {  // of a terminal: continuation octets take none
  return static_cast<size_t>(std::count_if(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

LiveFrame Frame() {
  LiveFrame frame{.title = "sluice-load run to 127.0.0.1:1587, TLS starttls, AUTH PLAIN",
                  .unit = "messages",
                  .latency_of = "answer",
                  .elapsed = seconds(3725),
                  .planned = hours(2),
                  .accepted = 1'234'567,
                  .failed = 12,
                  .open = 49,
                  .connections = 50,
                  .rates = {100, 50, 0, 800},
                  .generator_cores = 0.5,
                  .generator_threads = 2};
  Histogram latency;
  for (int i = 1; i <= 100; i++) latency.Add(milliseconds(i));
  frame.latency = PackedHistogram(latency);
  return frame;
}

TEST(LiveViewTest, TellsHowItGoes) {
  const std::vector<std::string> lines = Lines(Render(Frame(), 100));
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[0],
            "01:02:05 of 02:00:00  sluice-load run to 127.0.0.1:1587, TLS starttls, AUTH PLAIN");
  EXPECT_EQ(lines[1], "rate         800 a second (mean 331)  ▂▁▁█");
  EXPECT_EQ(lines[2], "messages     1,234,567 accepted, 12 failures; 49 of 50 sessions open");
  EXPECT_EQ(lines[3].substr(0, 20), "answer       p50 50.");
  EXPECT_NE(lines[3].find("max 100.000 ms"), std::string::npos) << lines[3];
  EXPECT_EQ(lines[4], "generator    CPU 0.50 cores, 2 threads");
}

TEST(LiveViewTest, TheServerIsThereWhereItIsWatched) {
  LiveFrame frame = Frame();
  frame.server = true;
  frame.server_cores = 0.25;
  frame.server_rss_bytes = 3 << 20;
  const std::vector<std::string> lines = Lines(Render(frame, 100));
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_EQ(lines[5], "server       CPU 0.25 cores, 3.0 MiB, 3,200 messages a CPU second");
}

TEST(LiveViewTest, FailuresStandWithTheMostFirstAndAreNotWithoutEnd) {
  LiveFrame frame = Frame();
  for (int code = 450; code < 460; code++) {
    frame.failures[{Phase::kMessage, code}] = {.count = static_cast<uint64_t>(code), .text = "no"};
  }
  frame.failures[{Phase::kLost, 0}] = {.count = 5000, .text = ""};
  const std::vector<std::string> lines = Lines(Render(frame, 100));
  ASSERT_EQ(lines.size(), 12u);
  EXPECT_EQ(lines[5], "failures     lost                 5,000  ");
  EXPECT_EQ(lines[6], "             message 459            459  no");
  EXPECT_EQ(lines[11], "             and 5 other kinds");
}

TEST(LiveViewTest, NoLineIsTooLongAndNoReplyControlsTheTerminal) {
  LiveFrame frame = Frame();
  frame.failures[{Phase::kMessage, 550}] = {
      .count = 1, .text = "\x1b[2J\a bad\tthings é€ " + std::string(300, 'x') + "é"};
  frame.rates.assign(1000, 1.0);
  for (size_t columns : {40, 41, 57, 80, 200}) {
    const std::string text = Render(frame, columns);
    for (const std::string& line : Lines(text)) EXPECT_LE(Columns(line), columns) << line;
    EXPECT_EQ(text.find_first_of("\x1b\a\t"), std::string::npos);
  }
}

TEST(LiveViewTest, BeforeAnythingHappenedThereIsSomethingToSee) {
  const std::string text = Render(LiveFrame{.unit = "logins", .latency_of = "login"}, 80);
  EXPECT_NE(text.find("rate         0 a second"), std::string::npos) << text;
  EXPECT_NE(text.find("nothing answered"), std::string::npos) << text;
}

TEST(SparklineTest, TheGreatestIsTheHighest) {
  EXPECT_EQ(Sparkline({}, 10), "");
  EXPECT_EQ(Sparkline({0, 0}, 10), "▁▁");
  EXPECT_EQ(Sparkline({0, 7, 3.5}, 10), "▁█▅");
  EXPECT_EQ(Sparkline({9, 1, 2}, 2), "▅█");  // what is not shown does not count
}

}  // namespace
}  // namespace sluice::load
