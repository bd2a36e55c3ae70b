// The table of configuration keys, visited. Reading, showing and "did you mean" are visitors of it.
#ifndef SLUICE_CORE_SERVER_OPTIONS_KEYS_H_
#define SLUICE_CORE_SERVER_OPTIONS_KEYS_H_

#include <functional>
#include <string_view>
#include <vector>

#include "core/server/options.h"
#include "core/server/options_values.h"

namespace sluice::server {

class KeyVisitor;

// The elements of an array of tables, such as [[listener]].
class TableList {
 public:
  virtual ~TableList() = default;
  virtual size_t size() const = 0;
  virtual void Add() = 0;  // one more, with defaults
  virtual void Visit(size_t index, KeyVisitor& visitor) = 0;
};

class KeyVisitor {
 public:
  virtual ~KeyVisitor() = default;
  virtual void Key(std::string_view name, Value&& value, std::string_view doc) = 0;
  virtual void Table(std::string_view name, const std::function<void(KeyVisitor&)>& keys) = 0;
  virtual void Tables(std::string_view name, TableList&& list) = 0;
};

// Shows `visitor` every key, root keys first, then the tables in the order a file should have them.
void VisitKeys(Options& options, KeyVisitor& visitor);

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_OPTIONS_KEYS_H_
