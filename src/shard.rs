//! One of several processes that share the work of a command, usually on several machines.

use std::fmt;
use std::str::FromStr;

/// The share of one process: of `count` shards, numbered from 0, the one with this index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    /// Below `count`.
    pub index: u32,
    /// At least 1.
    pub count: u32,
}

/// Looks up a variable of the environment.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The variable with the number of shards where a scheduler states only the index.
const COUNT_VARIABLE: &str = "QUOTALAB_SHARDS";
/// The most shards of one command.
const MAX_COUNT: u32 = 100_000;

impl Shard {
    /// The only shard of a command that is not divided.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    fn new(index: u32, count: u32) -> Result<Self, String> {
        match () {
            () if count == 0 => Err("there is at least 1 shard, such as 0/1".to_owned()),
            () if count > MAX_COUNT => Err(format!("{count} shards are more than the {MAX_COUNT} allowed")),
            () if index >= count => Err(format!(
                "shards are numbered from 0: the {count} shards are 0/{count} to {}/{count}, found {index}/{count}",
                count - 1
            )),
            () => Ok(Self { index, count }),
        }
    }

    /// Parses `3/16`, or `env`: what the scheduler states in the environment, looked up by `variables`.
    ///
    /// # Errors
    /// If the text is neither, or if the environment does not state index and count.
    pub fn parse(text: &str, variables: Variables<'_>) -> Result<Self, String> {
        if text == "env" { Self::from_environment(variables) } else { text.parse() }
    }

    /// Returns the shard that a scheduler states: Slurm (the tasks of an array, the processes of `srun`, or both), the pods of an
    /// Indexed Job of Kubernetes, the ranks of Open MPI. If an array task or a pod starts several processes, each of them is a shard.
    fn from_environment(variables: Variables<'_>) -> Result<Self, String> {
        let number = |name: &'static str| Number::read(name, variables);
        let task = match (number("SLURM_ARRAY_TASK_ID")?, number("JOB_COMPLETION_INDEX")?) {
            (Some(id), _) => {
                let first = number("SLURM_ARRAY_TASK_MIN")?.map_or(0, |first| first.value);
                let step = number("SLURM_ARRAY_TASK_STEP")?.map_or(1, |step| step.value.max(1));
                let count = id.with("SLURM_ARRAY_TASK_COUNT", variables)?;
                Some(Self::new(id.value.saturating_sub(first) / step, count)?)
            }
            (None, Some(index)) => Some(Self::new(index.value, index.with(COUNT_VARIABLE, variables)?)?),
            (None, None) => None,
        };
        let process = match (number("OMPI_COMM_WORLD_RANK")?, number("SLURM_PROCID")?) {
            (Some(rank), _) => Some(Self::new(rank.value, rank.with("OMPI_COMM_WORLD_SIZE", variables)?)?),
            (None, Some(id)) => Some(Self::new(id.value, id.with("SLURM_NTASKS", variables)?)?),
            (None, None) => None,
        };
        match (task, process) {
            (Some(task), Some(process)) => Self::new(
                task.index.saturating_mul(process.count).saturating_add(process.index),
                task.count.saturating_mul(process.count),
            ),
            (Some(only), None) | (None, Some(only)) => Ok(only),
            (None, None) => Err(
                "no scheduler states a shard: none of SLURM_ARRAY_TASK_ID, SLURM_PROCID, JOB_COMPLETION_INDEX and \
                 OMPI_COMM_WORLD_RANK is set; write the shard, such as 0/4"
                    .to_owned(),
            ),
        }
    }

    /// Returns `true` if this shard has the item with this position in the list of all items.
    #[must_use]
    pub fn has(self, position: u64) -> bool {
        position % u64::from(self.count) == u64::from(self.index)
    }
}

/// A variable of the environment with a number.
struct Number<'a> {
    name: &'a str,
    value: u32,
}

impl<'a> Number<'a> {
    /// Returns `None` if the variable is not set.
    fn read(name: &'a str, variables: Variables<'_>) -> Result<Option<Self>, String> {
        let Some(text) = variables(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        match text.parse() {
            Ok(value) => Ok(Some(Self { name, value })),
            Err(_) => Err(format!("{name} is `{text}`, and must be a number from 0")),
        }
    }

    /// Returns the value of another variable, which must be set if this one is.
    fn with(&self, name: &str, variables: Variables<'_>) -> Result<u32, String> {
        Number::read(name, variables)?.map(|number| number.value).ok_or_else(|| {
            format!("{} is set, but not {name}, which states the number of shards: set {name}", self.name)
        })
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(index, count)| Some((index.trim().parse().ok()?, count.trim().parse().ok()?)));
        let (index, count) = numbers
            .ok_or_else(|| format!("`{text}` is not a shard: write 0/4 to 3/4 for four shards, or env"))?;
        Self::new(index, count)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(set: &[(&str, &str)]) -> Result<Shard, String> {
        let variables =
            |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Shard::parse("env", &variables)
    }

    #[test]
    fn every_item_belongs_to_one_shard() {
        for count in [1, 2, 3, 7] {
            for position in 0..100 {
                let owners = (0..count).filter(|index| Shard { index: *index, count }.has(position));
                assert_eq!(owners.count(), 1, "{position} of {count}");
            }
        }
    }

    #[test]
    fn a_shard_is_written_as_index_and_count() {
        assert_eq!("3/16".parse(), Ok(Shard { index: 3, count: 16 }));
        for (text, reason) in [
            ("16/16", "numbered from 0"),
            ("0/0", "at least 1"),
            ("3", "0/4 to 3/4"),
            ("-1/4", "0/4 to 3/4"),
            ("1/2/3", "0/4 to 3/4"),
            ("0/1000000", "allowed"),
        ] {
            let error = text.parse::<Shard>().expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn schedulers_state_the_shard_in_the_environment() {
        let array = [
            ("SLURM_ARRAY_TASK_ID", "7"),
            ("SLURM_ARRAY_TASK_MIN", "1"),
            ("SLURM_ARRAY_TASK_STEP", "2"),
            ("SLURM_ARRAY_TASK_COUNT", "5"),
        ];
        let process = [("SLURM_PROCID", "2"), ("SLURM_NTASKS", "4")];
        let pod = [("JOB_COMPLETION_INDEX", "3"), ("QUOTALAB_SHARDS", "16")];
        let rank = [("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "2")];
        let shard = |index, count| Ok(Shard { index, count });
        assert_eq!(from(&array), shard(3, 5));
        assert_eq!(from(&process), shard(2, 4));
        assert_eq!(from(&pod), shard(3, 16));
        assert_eq!(from(&rank), shard(1, 2));
        // Each process of each task is a shard; `mpirun` inside an allocation of Slurm states the innermost rank.
        assert_eq!(from(&[array.as_slice(), &process].concat()), shard(14, 20));
        assert_eq!(from(&[rank.as_slice(), &process].concat()), shard(1, 2));
    }

    #[test]
    fn an_environment_without_a_shard_says_what_to_set() {
        for (set, reason) in [
            (vec![], "write the shard"),
            (vec![("JOB_COMPLETION_INDEX", "3")], "set QUOTALAB_SHARDS"),
            (vec![("SLURM_PROCID", "x"), ("SLURM_NTASKS", "4")], "SLURM_PROCID is `x`"),
            (vec![("OMPI_COMM_WORLD_RANK", "4"), ("OMPI_COMM_WORLD_SIZE", "4")], "numbered from 0"),
        ] {
            let error = from(&set).expect_err(reason);
            assert!(error.contains(reason), "{error}");
        }
    }
}
