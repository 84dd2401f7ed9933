# find_package(scorecam 1 REQUIRED) gives
#
#   scorecam::scorecam   the shared library and its headers
#   scorecam::static     the static library and its headers
#   scorecam::headers    the headers alone, which is all that a plugin needs
#   scorecam_PLUGIN_DIR  the folder of the installed plugins
#
# All paths are relative to this file, so the installed tree can be moved.

# The real path: where /lib is a link to /usr/lib, CMake may have come through the former.
get_filename_component(_scorecam_prefix "${CMAKE_CURRENT_LIST_FILE}" REALPATH)
get_filename_component(_scorecam_prefix "${_scorecam_prefix}/../../../.." ABSOLUTE)
set(scorecam_PLUGIN_DIR "${_scorecam_prefix}/lib/scorecam")

foreach(_scorecam_file IN ITEMS include/scorecam.h lib/{{ real_name }} lib/libscorecam.a)
    if(NOT EXISTS "${_scorecam_prefix}/${_scorecam_file}")
        set(scorecam_FOUND FALSE)
        set(scorecam_NOT_FOUND_MESSAGE "${_scorecam_prefix}/${_scorecam_file} is missing; install scorecam again")
        return()
    endif()
endforeach()

if(NOT TARGET scorecam::headers)
    add_library(scorecam::headers INTERFACE IMPORTED)
    set_target_properties(scorecam::headers PROPERTIES
        INTERFACE_INCLUDE_DIRECTORIES "${_scorecam_prefix}/include")

    add_library(scorecam::scorecam SHARED IMPORTED)
    set_target_properties(scorecam::scorecam PROPERTIES
        IMPORTED_LOCATION "${_scorecam_prefix}/lib/{{ real_name }}"
        IMPORTED_SONAME "{{ soname }}"
        INTERFACE_INCLUDE_DIRECTORIES "${_scorecam_prefix}/include")

    add_library(scorecam::static STATIC IMPORTED)
    set_target_properties(scorecam::static PROPERTIES
        IMPORTED_LOCATION "${_scorecam_prefix}/lib/libscorecam.a"
        IMPORTED_LINK_INTERFACE_LANGUAGES C
        INTERFACE_INCLUDE_DIRECTORIES "${_scorecam_prefix}/include"
        INTERFACE_LINK_LIBRARIES "{{ system_libraries | join(";") }}")
endif()

unset(_scorecam_prefix)
unset(_scorecam_file)
