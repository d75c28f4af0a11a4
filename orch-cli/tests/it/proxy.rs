//! A proxy that the environment names is for the world outside: the host's password never goes through it.

use std::{io::ErrorKind, net::TcpListener};

use orch::opencode::simulator::{Script, SimulatorOptions};

use crate::world::{World, output};

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_in_the_environment_sees_nothing_of_a_run() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let options = SimulatorOptions::new(Script::new().otherwise("done")).password("canary");
    let world = World::with(options).await;
    let mut command = world.command(["run", "two", "a task", "--json"]);
    command.env("OPENCODE_SERVER_PASSWORD", "canary");
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env(name, &address).env(name.to_lowercase(), &address);
    }
    let ended = output(&mut command).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(world.prompts().len(), 2);
    let asked = proxy.accept().map_err(|error| error.kind());
    assert!(matches!(asked, Err(ErrorKind::WouldBlock)), "{asked:?}");
}
