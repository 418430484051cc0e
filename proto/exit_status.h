// What a child's exit status tells the launcher beyond 0 and failure.
#ifndef POSTERN_PROTO_EXIT_STATUS_H_
#define POSTERN_PROTO_EXIT_STATUS_H_

namespace postern {

// Of a worker that ended because the broker had gone. It says nothing: why is for the broker to
// say, who may be about to.
inline constexpr int kExitWithoutBroker = 3;

}  // namespace postern

#endif  // POSTERN_PROTO_EXIT_STATUS_H_
