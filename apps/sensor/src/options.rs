//! What the sensor is told: the kernel's settings, and the key `sensor` of the configuration document.

use alloc::{format, string::String};
use rumpkin_configuration::{ConfigurationError, Documents, Node, Object, Settings, Wrong, parse_ipv4};
use rumpkin_net::direct::Endpoint;
use rumpuser::{
    boot::BootData,
    memory::{self, PAGE_SIZE},
};

const MILLISECOND: u64 = 1_000_000;

/// The configuration, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What the kernel is told.
    pub settings: Settings,
    /// Who gets the readings, if anybody.
    pub collector: Option<Endpoint>,
    /// Nanoseconds between two readings.
    pub interval: u64,
    /// The TCP port that answers queries.
    pub query_port: u16,
}

impl Options {
    /// From the documents of the image. Without any, all is as by default: DHCP, and queries alone.
    pub fn read(boot: &BootData) -> Result<Options, ConfigurationError> {
        let memory = (memory::total_frames() as u64).saturating_mul(PAGE_SIZE as u64);
        let documents = Documents::read(boot.baked_configuration, boot.launch_configuration, memory)?;
        Ok(Options::take(documents.root()?)?)
    }

    fn take(root: Option<Object<'_>>) -> Result<Options, Wrong> {
        let mut options =
            Options { settings: Settings::default(), collector: None, interval: 1000 * MILLISECOND, query_port: 7 };
        let Some(mut root) = root else { return Ok(options) };
        options.settings = Settings::take(&mut root)?;
        if let Some(sensor) = root.take("sensor") {
            let mut sensor = sensor.object()?;
            let parse = |node: Node<'_>| node.parse(parse_endpoint);
            options.collector = sensor.take("collector").map(parse).transpose()?;
            if let Some(node) = sensor.take("interval") {
                options.interval = node.parse(parse_interval)?;
            }
            if let Some(node) = sensor.take("query") {
                options.query_port = node.parse(parse_port)?;
            }
            sensor.finish()?;
        }
        root.finish()?;
        Ok(options)
    }
}

fn parse_port(text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| format!("`{text}` is not a port, which is a number from 1 to 65535"))
}

fn parse_endpoint(text: &str) -> Result<Endpoint, String> {
    let (address, port) =
        text.split_once(':').ok_or_else(|| format!("`{text}` is not an address and a port like 10.0.2.2:9000"))?;
    Ok((parse_ipv4(address)?.into(), parse_port(port)?))
}

/// Milliseconds, from 10 to a day.
fn parse_interval(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix("ms").and_then(|number| number.parse::<u64>().ok());
    let milliseconds = number.filter(|number| (10..=86_400_000).contains(number));
    milliseconds
        .map(|number| number.saturating_mul(MILLISECOND))
        .ok_or_else(|| format!("`{text}` is not an interval from 10ms to 86400000ms"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpkin_spine::config;
    use rumpuser_hosted as _;
    use std::string::ToString;

    fn options(text: &'static str) -> Result<Options, String> {
        let boot = BootData { baked_configuration: Some(text.as_bytes()), ..BootData::default() };
        Options::read(&boot).map_err(|error| error.to_string())
    }

    #[test]
    fn every_key_has_its_place() {
        let options = options(
            r#"{"sensor":{"collector":"10.0.2.2:9000","interval":"250ms","query":"77"},"network":{"address":"10.0.2.15/24"}}"#,
        )
        .unwrap();
        assert_eq!(options.collector, Some(([10, 0, 2, 2].into(), 9000)));
        assert_eq!((options.interval, options.query_port), (250 * MILLISECOND, 77));
        assert_eq!(options.settings.network.address, config::Address::Static { address: [10, 0, 2, 15], prefix: 24 });
    }

    #[test]
    fn without_a_document_there_are_defaults() {
        let options = Options::read(&BootData::default()).unwrap();
        assert_eq!((options.collector, options.query_port), (None, 7));
    }

    #[test]
    fn errors_name_the_key() {
        for (text, key) in [
            (r#"{"sensor":{"collector":"10.0.2.2"}}"#, "sensor.collector: `10.0.2.2`"),
            (r#"{"sensor":{"collector":"10.0.2.2:0"}}"#, "sensor.collector"),
            (r#"{"sensor":{"interval":"1ms"}}"#, "sensor.interval"),
            (r#"{"sensor":{"interval":1000}}"#, "sensor.interval: is a number"),
            (r#"{"sensor":{"query":"70000"}}"#, "sensor.query"),
            (r#"{"sensor":{"port":"7"}}"#, "sensor.port: is not a known key"),
            (r#"{"programs":[]}"#, "programs: is not a known key"),
        ] {
            let message = options(text).unwrap_err();
            assert!(message.contains(key), "{text}: {message}");
        }
    }
}
