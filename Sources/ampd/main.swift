import Daemon
import LinuxKernel

CurrentProcess.prepare()
CurrentProcess.exit(Program().run(Array(Swift.CommandLine.arguments.dropFirst())))
