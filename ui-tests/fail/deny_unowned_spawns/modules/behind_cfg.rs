fn start() {
    tokio::spawn(async {});
}
