// What a jailed process finds if it tries, from inside.
#ifndef POSTERN_TESTS_INTEGRATION_LAUNCHER_LOOK_AROUND_H_
#define POSTERN_TESTS_INTEGRATION_LAUNCHER_LOOK_AROUND_H_

#include <string>

namespace postern {

// Whether the process can lock what it gives up. Before Enter…Jail().
bool HasSetpcap();
// After Enter…Jail(), before the filter, which would end the process at most of this. Empty if all
// is as it should be; else what isn't. `privileged`: the process could lock what it gave up.
std::string LookAroundTheWorkersJail(bool privileged);
std::string LookAroundTheBrokersJail(bool privileged);

}  // namespace postern

#endif  // POSTERN_TESTS_INTEGRATION_LAUNCHER_LOOK_AROUND_H_
