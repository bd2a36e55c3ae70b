# What others wrote, as targets deps::NAME. Headers count as system headers, so our warnings do not apply to them.

# The libraries that tools/setup builds from source.
execute_process(
  COMMAND ${CMAKE_SOURCE_DIR}/tools/setup --print-prefix
  OUTPUT_VARIABLE SLUICE_PREFIX OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
if(NOT EXISTS ${SLUICE_PREFIX}/report)
  message(FATAL_ERROR "The libraries built from source are missing: run tools/setup first")
endif()
file(GLOB recipe CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tools/deps/*)
set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${recipe})

# uPlot for HTML reports; the folder may be missing.
execute_process(
  COMMAND ${CMAKE_SOURCE_DIR}/tools/setup --print-web
  OUTPUT_VARIABLE SLUICE_WEB OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
if(NOT EXISTS ${SLUICE_WEB})
  message(STATUS "uPlot is missing (tools/setup gets it): HTML reports will have no charts")
endif()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

function(sluice_dependency name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "INCLUDE;LINK;DEFINE")
  add_library(deps_${name} INTERFACE)
  add_library(deps::${name} ALIAS deps_${name})
  target_include_directories(deps_${name} SYSTEM INTERFACE ${arg_INCLUDE})
  target_link_libraries(deps_${name} INTERFACE ${arg_LINK})
  target_compile_definitions(deps_${name} INTERFACE ${arg_DEFINE})
endfunction()

# Its old names (Md5, Sha256) are macros that would rename ours. It calls core/base/random.h for random octets.
sluice_dependency(wolfssl INCLUDE ${SLUICE_PREFIX}/wolfssl/include
  LINK ${SLUICE_PREFIX}/wolfssl/lib/libwolfssl.a sluice_base m
  DEFINE NO_OLD_WC_NAMES)
sluice_dependency(uring INCLUDE ${SLUICE_PREFIX}/liburing/include LINK ${SLUICE_PREFIX}/liburing/lib/liburing.a)

# abseil is compiled with each preset's own flags: its hash tables have another layout under AddressSanitizer, its mutexes tell
# ThreadSanitizer what they do, and LTO sees through it. ccache makes that cheap for the second clone.
set(ABSL_PROPAGATE_CXX_STD ON)
set(ABSL_ENABLE_INSTALL OFF)
set(BUILD_TESTING OFF)
get_property(our_options DIRECTORY PROPERTY COMPILE_OPTIONS)
add_compile_options(-w -g0)
set(CMAKE_UNITY_BUILD ON)  # a third of the time
set(CMAKE_UNITY_BUILD_BATCH_SIZE 0)
add_subdirectory(${SLUICE_PREFIX}/abseil ${CMAKE_BINARY_DIR}/abseil EXCLUDE_FROM_ALL SYSTEM)
set_target_properties(absl_strings absl_time absl_time_zone PROPERTIES UNITY_BUILD OFF)  # their files have names in common
unset(CMAKE_UNITY_BUILD)
set_property(DIRECTORY PROPERTY COMPILE_OPTIONS ${our_options})
sluice_dependency(absl LINK
  absl::any_invocable absl::base absl::bits absl::btree absl::cleanup absl::fixed_array absl::flat_hash_map
  absl::flat_hash_set absl::function_ref absl::hash absl::inlined_vector absl::int128 absl::node_hash_map absl::span
  absl::status absl::statusor absl::str_format absl::strings absl::time)

sluice_dependency(lmdb LINK lmdb)
sluice_dependency(idn LINK idn)    # stringprep
sluice_dependency(idn2 LINK idn2)  # internationalised domain names
sluice_dependency(unistring LINK unistring)  # letter case and normal forms
pkg_check_modules(GSSAPI REQUIRED IMPORTED_TARGET krb5-gssapi)  # MIT's Kerberos
sluice_dependency(gssapi LINK PkgConfig::GSSAPI)
sluice_dependency(crypt LINK crypt)    # of the C library: hashes of other servers' users
sluice_dependency(argon2 LINK argon2)  # likewise
sluice_dependency(toml LINK tomlplusplus DEFINE TOML_HEADER_ONLY=0 TOML_SHARED_LIB=1)
sluice_dependency(cli11)
sluice_dependency(json)
sluice_dependency(httplib INCLUDE ${SLUICE_PREFIX}/httplib/include LINK Threads::Threads)

# mimalloc takes the place of malloc, so it is linked into programs, not libraries. Debian 12 has it only as a shared library.
find_library(SLUICE_MIMALLOC_LIBRARY NAMES libmimalloc.a mimalloc)
if(SLUICE_MIMALLOC AND NOT SLUICE_SANITIZE)
  message(STATUS "mimalloc: ${SLUICE_MIMALLOC_LIBRARY}")
  sluice_dependency(malloc LINK -Wl,--no-as-needed ${SLUICE_MIMALLOC_LIBRARY})
else()
  sluice_dependency(malloc)
endif()

find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
