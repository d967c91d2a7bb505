use evercore::task;

#[task(queue = "mail")]
enum Send<T> {
    Receipt { order: T },
    Nothing,
}

fn main() {}
