// Statics that allocate before `main` and free after it.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

extern "C" void note_exit(void);

namespace {

struct Farewell {
    ~Farewell() { note_exit(); }
};

Farewell farewell;
std::vector<std::string> words(50, "a word that is too long to stand in the string itself");

std::map<std::string, std::uint32_t> &lengths() {
    static std::map<std::string, std::uint32_t> map;
    static Farewell beside;
    return map;
}

} // namespace

// How many bytes the words have that are held by now.
extern "C" std::uint32_t hold_words(std::uint32_t count) {
    std::uint32_t bytes = 0;
    for (std::uint32_t at = 0; at < count; at++)
        words.push_back(std::to_string(at) + " is a word of some length, and another one");
    for (const auto &word : words) {
        lengths()[word] = word.size();
        bytes += word.size();
    }
    return bytes;
}
