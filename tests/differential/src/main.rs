//! The comparison by hand, for as long as wanted. See `USAGE`.

use heirloom_differential::{
    Asked, Endpoint, Plan, Renew, Report, SeveralPlan, check_barred, database, families, run,
    run_several, step_names,
};
use std::process::ExitCode;

const USAGE: &str = "\
usage: heirloom-differential --reference URL --candidate URL [options]
       heirloom-differential --itself URL [options]
       heirloom-differential --several URL [options]
       heirloom-differential --barred URL

  --itself URL        compares a server with itself, on two databases that are made for it
  --several URL       several connections of one owner, against a model of what they must see
  --barred URL        asks for each statement that cannot be in a transaction, in and out of transactions;
                      a real server would do it
  --renew COMMAND     a shell command that makes the candidate usable again, when a connection to it has failed
  --seed N            what to make the scripts of; default: another one each time
  --statements N      how many, about; default 5000
  --differences N     stop after so many; default 1
  --without A,B       leaves families of statements out
  --only A,B          leaves all others out (select, insert and transaction are always in)
  --answers           lists what was answered, and how often
  --patience SECONDS  how long an answer may take; default 10

families and, for --several, steps: ";

struct Arguments {
    sides: Sides,
    plan: Plan,
    /// Whether to list what was answered.
    answers: bool,
}

enum Sides {
    Several(Endpoint),
    Barred(Endpoint),
    Two(Endpoint, Endpoint),
    Itself(Endpoint),
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse() {
        Ok(arguments) => arguments,
        Err(why) => {
            let names: Vec<_> = families().chain(step_names()).collect();
            eprintln!("{why}\n\n{USAGE}{}", names.join(" "));
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    println!("seed {}", arguments.plan.seed);
    match runtime.block_on(arguments.run()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

fn failed(error: &std::io::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}

impl Arguments {
    fn parse() -> Result<Self, String> {
        let mut plan = Plan::from_environment()?;
        let (mut reference, mut candidate) = (None, None);
        let (mut itself, mut several, mut barred) = (None, None, None);
        let mut answers = false;
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || {
                words
                    .next()
                    .ok_or_else(|| format!("`{word}` needs a value"))
            };
            match &*word {
                "--reference" => reference = Some(Endpoint::from_url(&value()?)?),
                "--candidate" => candidate = Some(Endpoint::from_url(&value()?)?),
                "--itself" => itself = Some(Endpoint::from_url(&value()?)?),
                "--several" => several = Some(Endpoint::from_url(&value()?)?),
                "--barred" => barred = Some(Endpoint::from_url(&value()?)?),
                "--renew" => plan.renew = Some(Renew::by_command(value()?)),
                "--seed" => plan.seed = number(&value()?)?,
                "--statements" => plan.statements = number(&value()?)?,
                "--differences" => plan.differences = number(&value()?)?,
                "--patience" => plan.patience = std::time::Duration::from_secs(number(&value()?)?),
                "--answers" => answers = true,
                "--without" => plan.without.extend(known(&value()?)?),
                "--only" => {
                    let only = known(&value()?)?;
                    let rest = families().filter(|name| {
                        !only.iter().any(|wanted| wanted == name)
                            && !["select", "insert", "transaction"].contains(name)
                    });
                    plan.without.extend(rest.map(str::to_owned));
                }
                _ => return Err(format!("unknown argument `{word}`")),
            }
        }
        let sides = match (reference, candidate, itself, several, barred) {
            (Some(reference), Some(candidate), None, None, None) => {
                Sides::Two(reference, candidate)
            }
            (None, None, Some(server), None, None) => Sides::Itself(server),
            (None, None, None, None, Some(candidate)) => Sides::Barred(candidate),
            (None, None, None, Some(candidate), None) => Sides::Several(candidate),
            _ => {
                let needed = "give `--reference` and `--candidate`, or one of the others";
                return Err(needed.to_owned());
            }
        };
        Ok(Self {
            sides,
            plan,
            answers,
        })
    }

    /// Whether all is well.
    async fn run(&self) -> std::io::Result<bool> {
        let report = match &self.sides {
            Sides::Two(reference, candidate) => run(reference, candidate, &self.plan).await?,
            Sides::Itself(server) => self.itself(server).await?,
            Sides::Several(candidate) => return self.several(candidate).await,
            Sides::Barred(candidate) => {
                let wrong = check_barred(candidate, Asked::Everywhere, self.plan.patience).await?;
                for one in &wrong {
                    println!("not refused as it must be:\n{one}");
                }
                return Ok(wrong.is_empty());
            }
        };
        println!("{report}");
        if self.answers {
            for (kind, count) in &report.answers {
                println!("{count:>8} {kind}");
            }
        }
        Ok(report.differences.is_empty())
    }

    async fn several(&self, candidate: &Endpoint) -> std::io::Result<bool> {
        let plan = SeveralPlan {
            seed: self.plan.seed,
            steps: self.plan.statements,
            without: self.plan.without.clone(),
            patience: self.plan.patience,
            renew: self.plan.renew.clone(),
            ..SeveralPlan::default()
        };
        let report = run_several(candidate, &plan).await?;
        println!("{report}");
        Ok(report.wrong.is_none())
    }

    async fn itself(&self, server: &Endpoint) -> std::io::Result<Report> {
        let names = ["reference", "candidate"]
            .map(|side| format!("differential_{side}_{}", std::process::id()));
        let reference = database::make(server, &names[0]).await?;
        let candidate = database::make(server, &names[1]).await?;
        let report = run(&reference, &candidate, &self.plan).await;
        for name in &names {
            if let Err(error) = database::drop(server, name).await {
                eprintln!("the database {name} is left behind: {error}");
            }
        }
        report
    }
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a number"))
}

fn known(list: &str) -> Result<Vec<String>, String> {
    let check = |name: &str| {
        let known = families()
            .chain(step_names())
            .any(|known| known == name)
            .then(|| name.to_owned());
        known.ok_or_else(|| format!("there is no family `{name}`"))
    };
    list.split(',').map(check).collect()
}
