// libtorrent's bencode decoder behind two C functions, for the benchmark `bencode`.

#include <libtorrent/bdecode.hpp>

#include <cstddef>

namespace {
// The limits that the benchmark's own decoder has, so that neither is refused its input.
constexpr int depth_limit = 1000;
constexpr int token_limit = 10'000'000;

int decode(lt::bdecode_node& node, char const* data, std::size_t size) {
    lt::error_code error;
    return lt::bdecode(data, data + size, node, error, nullptr, depth_limit, token_limit);
}
}

// Decodes into a document of its own; 0 if that worked.
extern "C" int tinytorrent_bdecode(char const* data, std::size_t size) {
    lt::bdecode_node node;
    return decode(node, data, size);
}

// Decodes into a document that keeps its memory from call to call; 0 if that worked.
extern "C" int tinytorrent_bdecode_reusing(char const* data, std::size_t size) {
    static lt::bdecode_node node;
    return decode(node, data, size);
}
