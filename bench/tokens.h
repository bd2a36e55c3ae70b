// Tokens as an issuer's would be (0.8 to 1.4 KiB), made by python3-jwt (tests/process/make_tokens.py) and good until 2100,
// with their public keys. The private ones are gone.
#ifndef SLUICE_BENCH_TOKENS_H_
#define SLUICE_BENCH_TOKENS_H_

#include "core/base/bytes.h"

namespace sluice::auth {

inline constexpr ByteView kRs256Token =
    "eyJhbGciOiJSUzI1NiIsImtpZCI6IjIwMjYtMTEiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub"
    "mV0L3JlYWxtcy9tYWlsIiwiYXVkIjpbImFjY291bnQiLCJzdWJtaXQuZXhhbXBsZS5uZXQiXSwiZXhwIjo0MTAyNDQ0ODAwL"
    "CJpYXQiOjE3NjQyMDE2MDAsIm5iZiI6MTc2NDIwMTYwMCwianRpIjoiNWYxYzZhZDAtMmM2NC00YTNjLTlkM2UtNmYwZjNiM"
    "WY5YjUyIiwic3ViIjoiOGQ1ZmIxYTQtNmY1ZS00YjUzLThkMGUtMmE2ZjNjN2Y5YTEwIiwidHlwIjoiQmVhcmVyIiwiYXpwI"
    "joibWFpbC1jbGllbnQiLCJzaWQiOiJhMGE2YTJmMS00MWQxLTRjM2YtOGY0ZS01YTdiMGYwZThkMTEiLCJzY29wZSI6Im9wZ"
    "W5pZCBlbWFpbCBwcm9maWxlIiwicmVhbG1fYWNjZXNzIjp7InJvbGVzIjpbIm9mZmxpbmVfYWNjZXNzIiwiZGVmYXVsdC1yb"
    "2xlcy1tYWlsIl19LCJlbWFpbF92ZXJpZmllZCI6dHJ1ZSwibmFtZSI6IkN1c3RvbWVyIE9uZSIsInByZWZlcnJlZF91c2Vyb"
    "mFtZSI6ImN1c3RvbWVyMSIsImVtYWlsIjoiY3VzdG9tZXIxQGV4YW1wbGUubmV0In0.cT54raA6-D_Gx9NdC_5bnSONlria8"
    "XezIWNk_GmdrFUxOrBpAIlw_mlpdsS8Xzs-solo5YP_dLZRYlGY91GQgtGjAUvjVmEgpandP7A5vevBGi4a2PzIrTRAVDFcs"
    "fKm4Gu3RA-4fKxDiRLWvH4y1oRoomC0PWaML_WtvLhlQC_06OiMKIxPjM5qrZDvEG23S_gV5G6GoW9QIBGs50mRhZik5PdKI"
    "QhNqZk83nGg-R78YHbk7onmsm8YRylLgAN-NQF83aEWv-lu3f2f2s3kFTaDDbMfTaBbqx6fS70-FwOZ0BOJ_WnReEv4K6HOn"
    "eXyNIJkDWXnBjQ9Db_dRb77Hw";
inline constexpr ByteView kRs256Keys =
    R"({"keys": [{"kty": "RSA", "n": "oB6obUaNSJJjGGxCl9hXHnN_OrjqcG3s4nxWS_5qJWG8fqAsx7Oon1ccD-wZyfGcx5ZH6vkI0BRt_PvidV0UlzvieIEEQXtEhjrNMsqFsE5KTD7Yy1WEGoLE-HXzEWXZ19qLm9DAUViMMnbNXi1eD9gczmX_VQYl5bKpoaCHJx9UY5T4-8J0u7jkXGSaG3Gzf3Wqbncnh4N0-y9GwbJyJy3zxa_FjHZiT95KF4UMWHf9eNETmqa1CRVFHy58ku4mRXB1Wj2R1jkAUlNO74qmymNOnKEV57oiAIfJA85Md08o1AThM9_QIG0dQYZwBhzLZGtptZLPA1u8sv-H8485AQ", "e": "AQAB", "kid": "2026-11", "alg": "RS256", "use": "sig"}]})";

inline constexpr ByteView kRs256LargeToken =
    "eyJhbGciOiJSUzI1NiIsImtpZCI6IjIwMjYtMTEiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub"
    "mV0L3JlYWxtcy9tYWlsIiwiYXVkIjpbImFjY291bnQiLCJzdWJtaXQuZXhhbXBsZS5uZXQiXSwiZXhwIjo0MTAyNDQ0ODAwL"
    "CJpYXQiOjE3NjQyMDE2MDAsIm5iZiI6MTc2NDIwMTYwMCwianRpIjoiNWYxYzZhZDAtMmM2NC00YTNjLTlkM2UtNmYwZjNiM"
    "WY5YjUyIiwic3ViIjoiOGQ1ZmIxYTQtNmY1ZS00YjUzLThkMGUtMmE2ZjNjN2Y5YTEwIiwidHlwIjoiQmVhcmVyIiwiYXpwI"
    "joibWFpbC1jbGllbnQiLCJzaWQiOiJhMGE2YTJmMS00MWQxLTRjM2YtOGY0ZS01YTdiMGYwZThkMTEiLCJzY29wZSI6Im9wZ"
    "W5pZCBlbWFpbCBwcm9maWxlIiwicmVhbG1fYWNjZXNzIjp7InJvbGVzIjpbIm9mZmxpbmVfYWNjZXNzIiwiZGVmYXVsdC1yb"
    "2xlcy1tYWlsIl19LCJlbWFpbF92ZXJpZmllZCI6dHJ1ZSwibmFtZSI6IkN1c3RvbWVyIE9uZSIsInByZWZlcnJlZF91c2Vyb"
    "mFtZSI6ImN1c3RvbWVyMSIsImVtYWlsIjoiY3VzdG9tZXIxQGV4YW1wbGUubmV0In0.2H_WWtbmDaakYCNMP7Yeanex4aez_"
    "ZhQp580IVVuSo75-r5ppR3fiuzbJrkcKTnBzBeRDgMKwpmulJEtG6DGCaii76cCjPct-BKY8MR9-53z3uPqLr9U5xHzHErYa"
    "OkCRwJLnopIeRKZKQdQOnp0oVacLiLtefkBDEOTy7rHO5XidU_XPi0PmjdFFtLRvJzdxf4xk7LY-5riFZKkmc_vn78r-RtE7"
    "aKRXPsZrNrEhQEMfJG4ScWR1fY_2fsTcH_OfVJhQ5HILRJJLIAxMUAtAL0uzQ9acKOwEpAfplOy-1Diao5t1DYOmuiohjLRA"
    "64nCmS_OE2GXm2PzDOt49n-WjLmNu8CkFhMLNUZg--sCzoazQ0wone2uVcseQuZwCw4_ii-9hhG812_N6FyfrjK1U_MCAANI"
    "RqPd3ms-KeLiEZgkKr8pASxCl_20DfQs5qnduuiRBHVsxIAzEMUmL_vVblBnPJtrc3y1NEbUdtO1Ep1PESWHd8StWoctnh8d"
    "dd9e31p1sgWpIaIMurIiXkiRzUSgF-8KoU0dlfiS3CrIoVN3fGvJBtBN2wSOo5_6QYdk1PcRzj_ni3n5vvwiK7sI6OA7IYkm"
    "gkkNvrkHTR9ue74fMRNW8J1Q508AapGKIVg537K01squUZZJzI88WvfHwY3tAWXuuUqukLJeO5iBoQ";
inline constexpr ByteView kRs256LargeKeys =
    R"({"keys": [{"kty": "RSA", "n": "6w4GVNPtCh-SfGA6OAJ6cSNgTW5zQUms2olkfqMTAukyZcMUXrBpFkDtRdcMCOEaWwXds0g85Q23bJBKu-VxdhC_EddxSbIJu_MOxIVBDkJeiPzSmE_iZ7DnUuywgIy0JJ0Ivhmg8zWTiwucmbgi4d2RfEoGqXyZFc4VTbqINm1MfePecFXDmcceBx1Hst3ReemXhPbxylfeXLBcN6WKrk-S77ElV-Tay1-dI7XhCpJ3ydjO2K-ykrFFA9y4gb9lQNjEOEsBElDNFSW4JHzhgYKcm24LYO5_izsQJAr7_grMVFa43fLXScaxyzwm3yxBOt4JD9Dd6HGZhqfh96AOWc1o0kB6iZ8svUw_GeJ4Sk00z3V89GNepeoWZ35eNBaI64n4sq3g5JCjshv8zKQtVsP65vAzYDHaKFCKBv17U-oolnVBC4QSixGIIJppgabl5YgHsaS81KTeId-Xp5VqCTAl-7ePqfbK5gMBu5BwFjbXcJIh0skUgmqicGzMElm7DSWL0d3j7DLSpS4WFJjmY0tv607InlzeQJtDtLz6YMhmlihGGASpqv9w4Pk6i0ZPajJnvFZhaKNYz-3VI7gVbEnWAdkYgwpwVEEIgdD_qwtuxCHTr7LZ3w0jPkTtIScvXGy-8G_h6DX6Uqo7wAd7ilfJiP6mPsPLhYmy0gVjBgk", "e": "AQAB", "kid": "2026-11", "alg": "RS256", "use": "sig"}]})";

inline constexpr ByteView kEs256Token =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6IjIwMjYtMTEiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub"
    "mV0L3JlYWxtcy9tYWlsIiwiYXVkIjpbImFjY291bnQiLCJzdWJtaXQuZXhhbXBsZS5uZXQiXSwiZXhwIjo0MTAyNDQ0ODAwL"
    "CJpYXQiOjE3NjQyMDE2MDAsIm5iZiI6MTc2NDIwMTYwMCwianRpIjoiNWYxYzZhZDAtMmM2NC00YTNjLTlkM2UtNmYwZjNiM"
    "WY5YjUyIiwic3ViIjoiOGQ1ZmIxYTQtNmY1ZS00YjUzLThkMGUtMmE2ZjNjN2Y5YTEwIiwidHlwIjoiQmVhcmVyIiwiYXpwI"
    "joibWFpbC1jbGllbnQiLCJzaWQiOiJhMGE2YTJmMS00MWQxLTRjM2YtOGY0ZS01YTdiMGYwZThkMTEiLCJzY29wZSI6Im9wZ"
    "W5pZCBlbWFpbCBwcm9maWxlIiwicmVhbG1fYWNjZXNzIjp7InJvbGVzIjpbIm9mZmxpbmVfYWNjZXNzIiwiZGVmYXVsdC1yb"
    "2xlcy1tYWlsIl19LCJlbWFpbF92ZXJpZmllZCI6dHJ1ZSwibmFtZSI6IkN1c3RvbWVyIE9uZSIsInByZWZlcnJlZF91c2Vyb"
    "mFtZSI6ImN1c3RvbWVyMSIsImVtYWlsIjoiY3VzdG9tZXIxQGV4YW1wbGUubmV0In0.-UaY7bhQvFRAOyLaoaPM-OobyH-Ga"
    "Hs2qLxDsqdOLu5mEoRA4qt240QfCVOrkf_yJesOQ9XP0P61fCcjga0W1g";
inline constexpr ByteView kEs256Keys =
    R"({"keys": [{"kty": "EC", "crv": "P-256", "x": "aTPXPE_0FpNx1KAXaVkOKFpvts0cHqaEyZA8N6Mhbaw", "y": "Il_7tVJsvz5U4bzjC84WXsG_sQBE3oMdWC4bHAalGGU", "kid": "2026-11", "alg": "ES256", "use": "sig"}]})";

inline constexpr ByteView kEdDsaToken =
    "eyJhbGciOiJFZERTQSIsImtpZCI6IjIwMjYtMTEiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub"
    "mV0L3JlYWxtcy9tYWlsIiwiYXVkIjpbImFjY291bnQiLCJzdWJtaXQuZXhhbXBsZS5uZXQiXSwiZXhwIjo0MTAyNDQ0ODAwL"
    "CJpYXQiOjE3NjQyMDE2MDAsIm5iZiI6MTc2NDIwMTYwMCwianRpIjoiNWYxYzZhZDAtMmM2NC00YTNjLTlkM2UtNmYwZjNiM"
    "WY5YjUyIiwic3ViIjoiOGQ1ZmIxYTQtNmY1ZS00YjUzLThkMGUtMmE2ZjNjN2Y5YTEwIiwidHlwIjoiQmVhcmVyIiwiYXpwI"
    "joibWFpbC1jbGllbnQiLCJzaWQiOiJhMGE2YTJmMS00MWQxLTRjM2YtOGY0ZS01YTdiMGYwZThkMTEiLCJzY29wZSI6Im9wZ"
    "W5pZCBlbWFpbCBwcm9maWxlIiwicmVhbG1fYWNjZXNzIjp7InJvbGVzIjpbIm9mZmxpbmVfYWNjZXNzIiwiZGVmYXVsdC1yb"
    "2xlcy1tYWlsIl19LCJlbWFpbF92ZXJpZmllZCI6dHJ1ZSwibmFtZSI6IkN1c3RvbWVyIE9uZSIsInByZWZlcnJlZF91c2Vyb"
    "mFtZSI6ImN1c3RvbWVyMSIsImVtYWlsIjoiY3VzdG9tZXIxQGV4YW1wbGUubmV0In0.LVtkH4EDt7iATGcaWlFXhvcOoekHF"
    "rsy-Dc_WvLmzCvdiRKUOD64aMX-kE9JrZ1Vg24VdEMW0IzgNgfkzUObDg";
inline constexpr ByteView kEdDsaKeys =
    R"({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "19ABItJNXP_3JEGRuEHWB6xq6e6y4oXrwle5ozQMwnY", "kid": "2026-11", "alg": "EdDSA", "use": "sig"}]})";

}  // namespace sluice::auth

#endif  // SLUICE_BENCH_TOKENS_H_
