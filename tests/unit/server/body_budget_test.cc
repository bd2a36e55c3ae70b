#include "core/server/body_budget.h"

#include <gtest/gtest.h>

namespace sluice::server {
namespace {

TEST(BodyBudgetTest, BoundsALoginAndAll) {
  BodyBudget budget(100, 60);
  BodyBudget::Charge ann_1, ann_2, bob;
  EXPECT_TRUE(budget.Hold(ann_1, "ann", 30));
  EXPECT_TRUE(budget.Hold(ann_2, "ann", 30));
  EXPECT_FALSE(budget.Hold(ann_2, "ann", 31)) << "over ann's bound";
  budget.Release(ann_2, "ann");
  EXPECT_TRUE(budget.Hold(bob, "bob", 60));
  EXPECT_EQ(budget.bytes(), 90u);
  EXPECT_FALSE(budget.Hold(ann_1, "ann", 41)) << "over the bound of all";
  budget.Release(ann_1, "ann");
  budget.Release(bob, "bob");
  EXPECT_EQ(budget.bytes(), 0u);
}

TEST(BodyBudgetTest, ABodyThatCameWholeCountsForAllAlone) {
  BodyBudget budget(100, 60);
  BodyBudget::Charge whole, slow;
  EXPECT_TRUE(budget.Complete(whole, 80));
  EXPECT_TRUE(budget.Hold(slow, "ann", 20));
  EXPECT_TRUE(budget.Complete(slow, 20)) << "it is counted already";
  EXPECT_EQ(budget.bytes(), 100u);
  EXPECT_FALSE(budget.Hold(slow, "ann", 21));
  budget.Release(slow, "ann");
  budget.Release(whole, "ann");
  EXPECT_EQ(budget.bytes(), 0u);
}

TEST(BodyBudgetTest, ABodyWithoutAnOctetYetCountsNothing) {
  BodyBudget budget(100, 60);
  BodyBudget::Charge none, some;
  EXPECT_TRUE(budget.Hold(none, "ann", 0));
  EXPECT_TRUE(budget.Hold(some, "ann", 10));
  budget.Release(some, "ann");
  budget.Release(none, "ann");
  EXPECT_EQ(budget.bytes(), 0u);
}

TEST(BodyBudgetTest, ReleasingNothingIsNothing) {
  BodyBudget budget(100, 60);
  BodyBudget::Charge charge;
  budget.Release(charge, "ann");
  budget.Release(charge, "ann");
  EXPECT_EQ(budget.bytes(), 0u);
}

}  // namespace
}  // namespace sluice::server
