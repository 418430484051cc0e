# In cpack, when the packages are written: of what surrounds a package's parts (deb(5), the headers of ar) only the mode
# depends on the umask of who builds it.
set(walk [[
  open(FILE, "+<:raw", $ARGV[0]) or die "$ARGV[0]: $!\n";
  seek(FILE, 8, 0);
  while (read(FILE, my $header, 60) == 60) {
    my ($body, $size) = (tell(FILE), substr($header, 48, 10) + 0);
    seek(FILE, $body - 20, 0);
    print FILE "100644  ";
    seek(FILE, $body + $size + $size % 2, 0);
  }
  close(FILE) or die "$ARGV[0]: $!\n";
]])
foreach(package IN LISTS CPACK_PACKAGE_FILES)
  execute_process(COMMAND perl -e "${walk}" "${package}" COMMAND_ERROR_IS_FATAL ANY)
endforeach()
