# The functions by which the folders say what they are.

# sluice_library(NAME [EXCEPTIONS] [DIR dir] [USES targets...])
# All .cc files of the folder (not below it; not main.cc, which is a program's). USES is the whole truth about what the library
# may use; a test checks the includes against the same table. Without EXCEPTIONS the code is built with -fno-exceptions. A folder
# that has no .cc yet gives a library of headers.
function(sluice_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "EXCEPTIONS" "DIR" "USES")
  if(NOT arg_DIR)
    set(arg_DIR ${CMAKE_CURRENT_SOURCE_DIR})
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${arg_DIR}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$|_test\\.cc$|_bench\\.cc$")
  if(NOT sources)
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${arg_USES})
    return()
  endif()
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC ${arg_USES})
  if(NOT arg_EXCEPTIONS)
    target_compile_options(${name} PRIVATE -fno-exceptions)
  endif()
endfunction()

# sluice_program(NAME SOURCE [USES targets...]): build/PRESET/bin/NAME, if its source is there.
function(sluice_program name source)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "USES")
  file(GLOB found CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${source})
  if(found)
    add_executable(${name} ${found})
    target_link_libraries(${name} PRIVATE ${arg_USES} deps::malloc)
  endif()
endfunction()

# What a sanitizer should do in tests.
set(SLUICE_TEST_ENVIRONMENT
  "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1"
  "UBSAN_OPTIONS=print_stacktrace=1"
  "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")

# sluice_test(NAME LABEL label COMMAND ... [DIR dir] [ENVIRONMENT ...] [TIMEOUT s]): a ctest test; it runs in the project's
# root unless DIR is given, so that data is found by its path in the project.
function(sluice_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "SERIAL" "LABEL;DIR;TIMEOUT" "COMMAND;ENVIRONMENT")
  if(NOT arg_DIR)
    set(arg_DIR ${CMAKE_SOURCE_DIR})
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  add_test(NAME ${name} COMMAND ${arg_COMMAND} WORKING_DIRECTORY ${arg_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABEL}" TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "${SLUICE_TEST_ENVIRONMENT};${arg_ENVIRONMENT}")
  if(arg_SERIAL)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()
