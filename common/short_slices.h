// Waking soon beside busy neighbours.
#ifndef POSTERN_COMMON_SHORT_SLICES_H_
#define POSTERN_COMMON_SHORT_SLICES_H_

namespace postern {

// Asks the scheduler for short slices of time for the calling thread (Linux 6.12, EEVDF): one that
// works for microseconds and waits again then runs sooner after it is woken, and its share of the
// processor stays what it is. Where the kernel has no such thing, or the thread isn't scheduled by
// shares, nothing changes. Call it before the jail closes: the filters have no row for it.
void AskForShortSlices();

}  // namespace postern

#endif  // POSTERN_COMMON_SHORT_SLICES_H_
