// What examples/predict.cpp uses of onnxruntime's C++ API, declared as its documentation says: enough to check the
// example's syntax and types, not to link it. The real header comes with onnxruntime's releases and NuGet packages.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

enum OrtLoggingLevel { ORT_LOGGING_LEVEL_WARNING = 2 };
enum OrtAllocatorType { OrtArenaAllocator = 1 };
enum OrtMemType { OrtMemTypeDefault = 0 };
struct OrtMemoryInfo;

namespace Ort {
struct Env {
  explicit Env(OrtLoggingLevel level = ORT_LOGGING_LEVEL_WARNING, const char* name = "");
};
struct SessionOptions {};
struct RunOptions {};
struct MemoryInfo {
  static MemoryInfo CreateCpu(OrtAllocatorType type, OrtMemType memory);
  operator const OrtMemoryInfo*() const;
};
struct Value {
  Value(const Value&) = delete;
  Value(Value&&) = default;
  template <typename T>
  static Value CreateTensor(const OrtMemoryInfo* info, T* data, size_t count, const int64_t* shape, size_t length);
  template <typename T>
  const T* GetTensorData() const;
};
struct Session {
  Session(const Env& env, const char* path, const SessionOptions& options);
  std::vector<Value> Run(const RunOptions& options, const char* const* input_names, const Value* inputs,
                         size_t input_count, const char* const* output_names, size_t output_count);
};
}  // namespace Ort
