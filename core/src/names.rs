//! [`named!`]: enums with named values.

/// Gives an enum `ALL`, its values in the order that is written, and `name`, the name of each. With a word for what it
/// is, as in `named!(Colormap of "colormap": Jet = "jet")`, a value can also be read from its name.
macro_rules! named {
    ($type:ident: $($value:ident = $name:literal),+) => {
        impl $type {
            /// All of them.
            pub const ALL: [Self; [$($type::$value),+].len()] = [$(Self::$value),+];

            /// The name in options and manifests.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $name),+
                }
            }
        }
    };
    ($type:ident of $what:literal: $($value:ident = $name:literal),+) => {
        named!($type: $($value = $name),+);

        impl std::str::FromStr for $type {
            type Err = crate::Error;

            fn from_str(name: &str) -> crate::Result<Self> {
                crate::image::by_name($what, name, &Self::ALL, |value| value.name())
            }
        }
    };
}
