//! What every lane is drawn on.

use maud::{Markup, html};

use super::scale::{Scale, WIDTH};
use crate::windows::FaultWindow;

/// The time axis, and the fault windows behind everything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Canvas<'a> {
    /// Where instants lie.
    pub scale: Scale,
    /// When faults were in effect.
    pub windows: &'a [FaultWindow<'a>],
}

impl Canvas<'_> {
    /// The times in which faults were in effect, behind everything.
    pub(crate) fn shade(&self) -> Markup {
        html! {
            @for window in self.windows {
                @match window.to {
                    Some(to) => rect data-t=(window.from) data-to=(to) x=(self.scale.percent(window.from)) width=(self.scale.percent(to - window.from)) y="0" height="100%" class="fault" {}
                    None => line data-t=(window.from) x1=(self.scale.percent(window.from)) x2=(self.scale.percent(window.from)) y1="0" y2="100%" class="faultline" {}
                }
            }
        }
    }
}

/// A part of a lane that is stretched to the width of the page, and that the script zooms.
pub(super) fn plot(height: f64, content: &Markup) -> Markup {
    html! {
        svg class="plot" width="100%" height=(height) viewBox={ "0 0 " (WIDTH) " " (height) } preserveAspectRatio="none" { (content) }
    }
}
