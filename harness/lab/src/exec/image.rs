//! The programs in the lab's images.

/// Whether an image contains a program.
pub(super) fn has_program(image: &str, program: &str) -> bool {
    const SHELL: &[&str] = &[
        "sh", "busybox", "cat", "echo", "printf", "true", "false", "sleep", "env", "printenv", "hostname", "timeout",
        "date", "id", "whoami", "wget", "nslookup", "test", "[", "ls", "head", "pwd", "uname",
    ];
    let program = program.rsplit('/').next().unwrap_or(program);
    let shell = SHELL.contains(&program);
    if image.contains("/proxyv2") && image.contains("distroless") {
        return program == "pilot-agent";
    }
    if image.contains("/coredns") || image.contains("distroless") {
        return false;
    }
    if image.contains("/proxyv2") {
        return shell && program != "wget" || matches!(program, "pilot-agent" | "curl" | "ping" | "bash");
    }
    if image.contains("/pilot") {
        return shell && program != "wget" || matches!(program, "pilot-discovery" | "curl");
    }
    shell || matches!(program, "curl" | "ping") && image.contains("/app")
}
