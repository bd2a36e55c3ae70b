/* Given to the compiler in front of every file of wolfSSL.
 *
 * wolfSSL reads the clock in two ways: seconds through wc_Time(), which wc_SetTimeCb() can replace at run time, and
 * milliseconds (the age of a session ticket) through gettimeofday(), which nothing can. This sends the second through
 * the first, so that one callback gives a simulator the whole clock. A second is fine enough: the age is compared with
 * a tolerance of one.
 */
#define XTIME_MS(unused) (1000 * (long long)wc_Time(0))

/* Random octets come from core/base/random.h, whole, without a generator of wolfSSL's own for each connection: that
 * is seeded and tested when it is made, which costs a tenth of a handshake, and asks for the process's id at each use.
 */
#ifndef __ASSEMBLER__
int sluice_random_block(unsigned char* out, unsigned int bytes);
#endif
