// SPDX-License-Identifier: GPL-3.0-or-later
// Compiles a job as Flamenco's Manager does, with the names that a job type finds there and no others.
//
//     node flamenco_compiler.mjs types          job types, from the folder "scripts" beside this file
//     node flamenco_compiler.mjs < job.json     a submitted job (POST /api/v3/jobs) becomes its tasks
//
// What there is was read in Flamenco's internal/manager/job_compilers. Its JavaScript engine, goja, knows ES5.1 and most of
// ES6: node takes more than that, so that only the real compiler (FLAMENCO_COMPILER) finds an expression that is too new.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import vm from "node:vm";

const SCRIPTS = join(dirname(fileURLToPath(import.meta.url)), "scripts");

class Refused extends Error {}

function shellSplit(text) {
    const words = [];
    let word = null;
    let quote = "";
    for (let at = 0; at < text.length; at++) {
        const letter = text[at];
        if (letter === "\\" && quote !== "'") {
            if (++at === text.length) {
                throw new Refused("EOF found after escape character");
            }
            word = (word ?? "") + text[at];
        } else if (quote) {
            quote = letter === quote ? "" : quote;
            word += quote ? letter : "";
        } else if (letter === "'" || letter === '"') {
            quote = letter;
            word ??= "";
        } else if (/[ \t\r\n]/.test(letter)) {
            words.push(...(word === null ? [] : [word]));
            word = null;
        } else if (letter === "#" && word === null) {
            at = (text + "\n").indexOf("\n", at);
        } else {
            word = (word ?? "") + letter;
        }
    }
    if (quote) {
        throw new Refused("EOF found when expecting closing quote");
    }
    return word === null ? words : [...words, word];
}

let taskCount = 0;

function task(name, type) {
    if (!name.trim() || !type.trim()) {
        throw new Refused("author.Task(name, type): name and type are required");
    }
    const made = { UUID: `task-${++taskCount}`, Name: name.trim(), Type: type.trim(), Priority: 50, Commands: [], omitempty: [] };
    return Object.assign(made, {
        addCommand: (command) => void made.Commands.push(command),
        addDependency: (other) => void made.omitempty.push(other),
    });
}

const author = {
    Task: task,
    Command: (name, parameters, steps = 0) => ({ Name: name, Parameters: parameters, TotalStepCount: steps }),
};

function load(file) {
    const globals = vm.createContext({ author, shellSplit, print: () => {}, alert: () => {} });
    for (const name of ["console", "WebAssembly", "SharedArrayBuffer", "Atomics"]) {
        delete globals[name];
    }
    vm.runInContext('"use strict";' + readFileSync(join(SCRIPTS, file), "utf8"), globals, { filename: file });
    return globals;
}

function evaluated(globals, expression) {
    return vm.runInContext(expression, globals);
}

function jobTypes() {
    const files = readdirSync(SCRIPTS).filter((name) => name.endsWith(".js"));
    return new Map(files.map((name) => [name.slice(0, -3).replaceAll("_", "-"), load(name)]));
}

function compiled(submitted) {
    const globals = jobTypes().get(submitted.type);
    const Tasks = [];
    const job = {
        name: submitted.name,
        settings: submitted.settings,
        // As there, a copy: what is added to a task later is lost.
        addTask: (added) => void Tasks.push({ ...added, Commands: [...added.Commands], omitempty: [...added.omitempty] }),
    };
    evaluated(globals, "compileJob")(job);
    return { Name: job.name, JobType: submitted.type, Tasks };
}

try {
    const answer =
        process.argv[2] === "types"
            ? { job_types: [...jobTypes()].map(([name, globals]) => ({ ...evaluated(globals, "JOB_TYPE"), name })) }
            : compiled(JSON.parse(readFileSync(0, "utf8")));
    process.stdout.write(JSON.stringify(answer));
} catch (thrown) {
    if (typeof thrown !== "string" && !(thrown instanceof Refused)) {
        throw thrown;
    }
    process.stderr.write(`${thrown}\n`);
    process.exitCode = 1;
}
