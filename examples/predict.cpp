// What a face shows, in C++: the file of `ferturb export tiny --out tiny.onnx`, and a 48×48 face as a grey PGM.
//   g++ -std=c++17 predict.cpp -I ORT/include -L ORT/lib -lonnxruntime -o predict && ./predict tiny.onnx face.pgm
#include <onnxruntime_cxx_api.h>
#include <array>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 3) return std::cerr << "usage: predict MODEL.onnx FACE.pgm\n", 2;
  std::ifstream file(argv[2], std::ios::binary);
  const std::vector<char> data{std::istreambuf_iterator<char>(file), {}};
  constexpr size_t pixels = 48 * 48;
  if (data.size() < pixels || data[1] != '5') return std::cerr << argv[2] << " is no 48x48 P5 image\n", 2;
  std::vector<uint8_t> face(data.end() - pixels, data.end());  // the pixels are its last bytes
  const std::array<int64_t, 3> shape{1, 48, 48};

  Ort::Env env;
  Ort::Session session(env, argv[1], Ort::SessionOptions{});
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const auto input = Ort::Value::CreateTensor<uint8_t>(memory, face.data(), pixels, shape.data(), shape.size());
  const char *asked[] = {"faces"}, *wanted[] = {"probabilities"};
  const auto answer = session.Run(Ort::RunOptions{}, asked, &input, 1, wanted, 1);
  const float* shares = answer[0].GetTensorData<float>();
  for (const char* emotion : {"angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"})
    std::cout << emotion << ' ' << *shares++ << '\n';
}
