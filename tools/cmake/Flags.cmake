# How everything is compiled.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)

# Debug is what people work with, so it is fast enough to run thousands of simulated seeds.
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g -D_GLIBCXX_ASSERTIONS")
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG -D_FORTIFY_SOURCE=2 -fstack-protector-strong")

add_compile_options(
  -march=x86-64-v2  # SSE4.2, for crc32; the processor's AES is used by wolfSSL, which looks for it at run time
  -Wall -Wextra -Wshadow -Wconversion
  # Off: byte arithmetic between size_t, ptrdiff_t and int is everywhere in parsers, and the casts that this asks for
  # hide more than they show. g++ leaves it out of -Wconversion anyway; clang does not.
  -Wno-sign-conversion
  # Off: designated initialisers leave out fields that have a default on purpose, and g++ 12 warns of each.
  -Wno-missing-field-initializers
  # File names in checks and debug information are relative to the project, whoever's clone it is.
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=
)
add_link_options(-Wl,-z,relro,-z,now)
if(SLUICE_WERROR)
  add_compile_options(-Werror)
endif()

if(SLUICE_SANITIZE)
  string(REPLACE "," ";" sanitizers ${SLUICE_SANITIZE})
  # Line numbers are all that a report needs of the debugging information, and a third of the compile time.
  string(REPLACE " -g " " -g1 " CMAKE_CXX_FLAGS_DEBUG ${CMAKE_CXX_FLAGS_DEBUG})
  add_compile_options(-fsanitize=${SLUICE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SLUICE_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND "undefined" IN_LIST sanitizers)
    # With these three, g++ takes no comparison of a function's address for a constant (its bug 71962), and abseil's hash
    # tables do not compile. AddressSanitizer stops at a null pointer all the same, and the fuzz build (clang) keeps them.
    add_compile_options(-fno-sanitize=null,nonnull-attribute,returns-nonnull-attribute)
  endif()
endif()
if(SLUICE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(SLUICE_LTO)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)  # g++ cannot do this through lld
else()
  find_program(SLUICE_LLD ld.lld)
  if(SLUICE_LLD)
    add_link_options(-fuse-ld=lld)
  endif()
endif()

# ccache, in such a way that clones in different folders share what they compiled.
find_program(SLUICE_CCACHE ccache)
if(SLUICE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${SLUICE_CCACHE})
endif()

include_directories(${CMAKE_SOURCE_DIR})
