#[instrument]
#[::renamed::owned_task(name = "pricing", crate = ::renamed)]
async fn pricing() {}
