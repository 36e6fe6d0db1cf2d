pub fn start() {
    println!("{:?}", std::thread::Builder::new().spawn(|| {}));
}
