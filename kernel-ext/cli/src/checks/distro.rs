//! How this distribution installs what is missing.

/// Something that a package manager can supply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A C and C++ compiler.
    Cxx,
    /// Python 3.
    Python,
    /// Python's `venv` module with `ensurepip`.
    Venv,
    /// The sources of Rust's standard library, for a Rust that rustup does not manage.
    RustSrc,
}

/// The families of package managers that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distro {
    /// Debian, Ubuntu, Mint ...
    Apt,
    /// Fedora, RHEL, Rocky ...
    Dnf,
    /// Arch, Manjaro ...
    Pacman,
    /// openSUSE, SLES.
    Zypper,
    /// Anything else.
    Unknown,
}

/// The distribution we run on.
pub fn here() -> Distro {
    let text = ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|p| std::fs::read_to_string(p).ok());
    Distro::from_os_release(&text.unwrap_or_default())
}

/// Its name and version in words, as `/etc/os-release` says.
pub fn pretty_name() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    field(&text, "PRETTY_NAME").unwrap_or_else(|| "Linux".into())
}

fn field(os_release: &str, name: &str) -> Option<String> {
    os_release.lines().find_map(|l| {
        let value = l.strip_prefix(name)?.strip_prefix('=')?;
        Some(value.trim().trim_matches(['"', '\'']).to_string())
    })
}

impl Distro {
    /// Reads `ID` and `ID_LIKE`.
    pub fn from_os_release(text: &str) -> Distro {
        let ids = format!("{} {}", field(text, "ID").unwrap_or_default(), field(text, "ID_LIKE").unwrap_or_default());
        for id in ids.split_whitespace() {
            match id {
                "debian" | "ubuntu" => return Distro::Apt,
                "fedora" | "rhel" | "centos" => return Distro::Dnf,
                "arch" | "archlinux" => return Distro::Pacman,
                "suse" | "opensuse" | "sles" => return Distro::Zypper,
                _ => {}
            }
        }
        Distro::Unknown
    }

    fn packages(self, need: Need) -> &'static [&'static str] {
        match (self, need) {
            (Distro::Apt, Need::Cxx) => &["g++"],
            (Distro::Apt, Need::Python) => &["python3"],
            (Distro::Apt, Need::Venv) => &["python3-venv"],
            (Distro::Dnf, Need::Cxx) => &["gcc-c++"],
            (Distro::Pacman, Need::Cxx) => &["gcc"],
            (Distro::Zypper, Need::Cxx) => &["gcc-c++"],
            (Distro::Pacman, Need::Python | Need::Venv) => &["python"],
            // There `venv` is part of Python itself.
            (Distro::Dnf | Distro::Zypper, Need::Python | Need::Venv) => &["python3"],
            (Distro::Apt | Distro::Dnf | Distro::Pacman | Distro::Zypper, Need::RustSrc) => &["rust-src"],
            (Distro::Unknown, Need::Cxx) => &["g++ (or clang)"],
            (Distro::Unknown, Need::Python) => &["Python 3.9 or newer"],
            (Distro::Unknown, Need::Venv) => &["Python's venv module"],
            (Distro::Unknown, Need::RustSrc) => &["rust-src"],
        }
    }

    /// One command, or one sentence, that supplies everything in `needs`.
    pub fn install_line(self, needs: &[Need]) -> String {
        let mut packages: Vec<&str> = Vec::new();
        for package in needs.iter().flat_map(|n| self.packages(*n)) {
            if !packages.contains(package) {
                packages.push(package);
            }
        }
        let packages = packages.join(if self == Distro::Unknown { ", " } else { " " });
        let sudo = if crate::sys::is_root() { "" } else { "sudo " };
        match self {
            Distro::Apt => format!("`{sudo}apt-get update && {sudo}apt-get install -y {packages}`"),
            Distro::Dnf => format!("`{sudo}dnf install -y {packages}`"),
            Distro::Pacman => format!("`{sudo}pacman -S --needed {packages}`"),
            Distro::Zypper => format!("`{sudo}zypper install -y {packages}`"),
            Distro::Unknown => format!("Install {packages} with your package manager"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_recognised() {
        let of = Distro::from_os_release;
        assert_eq!(of("PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n"), Distro::Apt);
        assert_eq!(of("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"), Distro::Apt);
        assert_eq!(of("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"), Distro::Dnf);
        assert_eq!(of("ID=manjaro\nID_LIKE=arch\n"), Distro::Pacman);
        assert_eq!(of("ID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"\n"), Distro::Zypper);
        assert_eq!(of("ID=nixos\n"), Distro::Unknown);
        assert_eq!(of(""), Distro::Unknown);
    }

    #[test]
    fn one_command_for_several_needs_names_each_package_once() {
        let needs = [Need::Cxx, Need::Python, Need::Venv, Need::Venv];
        assert!(Distro::Apt.install_line(&needs).ends_with("apt-get install -y g++ python3 python3-venv`"));
        assert!(Distro::Pacman.install_line(&needs).ends_with("pacman -S --needed gcc python`"));
        assert!(Distro::Unknown.install_line(&needs).contains("Python's venv module"));
    }
}
