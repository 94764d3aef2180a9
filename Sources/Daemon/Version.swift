/// The version of ampd and of amp.
public let ampdVersion = "0.1.0"
