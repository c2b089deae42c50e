//! Measures the lab itself: CPU per request on connections of their own, and ten virtual minutes at ten requests a second.

use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use meshdrill_lab::{Lab, LabConfig};

async fn request(lab: &Lab) -> Result<u16, Box<dyn std::error::Error>> {
    let stream = lab.dial("198.18.1.10", 80).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request =
        http::Request::get("/api/v1/products/0/reviews").header("host", "lab").body(Empty::<bytes::Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    response.into_body().collect().await?;
    Ok(status)
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let lab = Lab::start(LabConfig::default())?;
    println!("start: {:?}", begun.elapsed());
    let begun = Instant::now();
    let mut bad = 0;
    for _ in 0..5000 {
        bad += usize::from(request(&lab).await? != 200);
    }
    println!("one request: {:?}, {bad} bad of 5000", begun.elapsed() / 5000);
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_mins(10)).await;
    println!("600 s idle: {:?}", begun.elapsed());
    let begun = Instant::now();
    let start = tokio::time::Instant::now();
    for i in 0..6000 {
        tokio::time::sleep_until(start + Duration::from_millis(100) * i).await;
        request(&lab).await?;
    }
    println!("600 s at 10/s: {:?}", begun.elapsed());
    Ok(())
}
