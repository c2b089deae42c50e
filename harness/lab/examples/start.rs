//! Measures how long a lab takes to start.

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), meshdrill_lab::LabError> {
    for _ in 0..3 {
        let begun = std::time::Instant::now();
        meshdrill_lab::Lab::start(meshdrill_lab::LabConfig::default())?;
        println!("{:?}", begun.elapsed());
    }
    Ok(())
}
