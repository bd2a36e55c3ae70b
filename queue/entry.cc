#include "queue/entry.h"

#include "queue/content.h"

namespace sluice::queue {

Entry::Entry() = default;
Entry::~Entry() = default;

Submission::Submission() = default;
Submission::Submission(Submission&&) noexcept = default;
Submission& Submission::operator=(Submission&&) noexcept = default;
Submission::~Submission() { CHECK(upload == nullptr); }

}  // namespace sluice::queue
