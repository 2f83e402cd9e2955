// Package deflate compresses texts that consist of parts much like each other, such as the events of a pack: it finds
// what the part before has in the same place, and spends time only on what differs. It is several times as fast on such
// texts as the fastest level of compress/flate; on others it gives up. What it makes is read by compress/flate and
// compress/zlib, and by everybody else who knows RFC 1950 and 1951.
package deflate
