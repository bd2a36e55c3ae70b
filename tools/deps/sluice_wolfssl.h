/* Given to the compiler in front of every file of wolfSSL.
 *
 * wolfSSL reads the clock in two ways: seconds through wc_Time(), which wc_SetTimeCb() can replace at run time, and
 * milliseconds (the age of a session ticket) through gettimeofday(), which nothing can. This sends the second through
 * the first, so that one callback gives a simulator the whole clock. A second is fine enough: the age is compared with
 * a tolerance of one.
 */
#define XTIME_MS(unused) (1000 * (long long)wc_Time(0))
