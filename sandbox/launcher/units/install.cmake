# How others start posternd: systemd's units, and the description by which libvirt finds it. Nothing is compiled here.
set(units "${CMAKE_CURRENT_LIST_DIR}")
set(made "${CMAKE_BINARY_DIR}/units")

# Where posternd lies is known at the installation only, which may be to another prefix than the one configured. What
# another user has left there is in the way of who installs after that one.
file(MAKE_DIRECTORY "${made}")
foreach(file posternd@.service 40-postern.json)
  install(CODE "
    file(REMOVE \"${made}/${file}\")
    set(bindir \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
    configure_file(\"${units}/${file}.in\" \"${made}/${file}\" @ONLY)")
endforeach()
install(FILES "${made}/posternd@.service" "${units}/posternd@.socket" DESTINATION lib/systemd/system)
install(FILES "${made}/40-postern.json" DESTINATION "${CMAKE_INSTALL_DATADIR}/qemu/vhost-user")
install(FILES "${units}/postern-sysusers.conf" DESTINATION lib/sysusers.d RENAME postern.conf)
install(FILES "${units}/postern-tmpfiles.conf" DESTINATION lib/tmpfiles.d RENAME postern.conf)
install(FILES "${units}/posternd@.service.8" "${units}/posternd@.socket.8" DESTINATION "${CMAKE_INSTALL_MANDIR}/man8")
install(FILES "${units}/example.conf" DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples")
