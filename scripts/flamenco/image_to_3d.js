// SPDX-License-Identifier: GPL-3.0-or-later
//
// A job type of Flamenco 3: a folder of pictures becomes a folder of models. README.md beside this file says how to use it.

const JOB_TYPE = {
    label: "Image to 3D",
    description: "Make a textured 3D model of every picture in a folder, then an asset library and a contact sheet",
    settings: [
        { key: "pictures_folder", label: "Pictures", type: "string", subtype: "dir_path", required: true,
          visible: "submission",
          description: "The folder with the pictures: one model is made of each. All workers must be able to read it" },
        { key: "output_folder", label: "Models", type: "string", subtype: "dir_path", visible: "submission",
          description: "Where the models go. Empty: beside the folder with the pictures, in one of the same name " +
            "with \"_models\". All workers must be able to write there. What is already there is kept, and not made again" },

        // What a file picker gives may begin with // for the folder of the .blend, which no worker knows.
        { key: "pictures", type: "string", visible: "web",
          eval: "str(abspath(settings.pictures_folder)) if settings.pictures_folder else ''",
          description: "The whole path of the folder with the pictures" },
        { key: "output", type: "string", visible: "web",
          eval: "str(abspath(settings.output_folder)) if settings.output_folder " +
            "else str(abspath(settings.pictures_folder)) + '_models' if settings.pictures_folder else ''",
          description: "The whole path of the folder that the models go to" },

        { key: "picture_count", label: "Number of Pictures", type: "int32", default: 0, propargs: { min: 0 },
          // Flamenco calls eval() with local names, which a generator does not see inside.
          eval: "sum(each.is_file() and each.suffix.lower() in ('.png', '.jpg', '.jpeg', '.jpe', '.jfif', '.webp', " +
            "'.tif', '.tiff', '.bmp', '.dib', '.exr', '.tga', '.vda', '.icb', '.vst') " +
            "for each in (Path(abspath(settings.pictures_folder)).iterdir() " +
            "if settings.pictures_folder and Path(abspath(settings.pictures_folder)).is_dir() else ()))",
          evalInfo: { showLinkButton: true, description: "Counted in the folder" },
          description: "How many pictures there are. It decides only how many tasks they are shared among: " +
            "all pictures of the folder are made" },
        { key: "chunk_size", label: "Pictures per Task", type: "int32", default: 10, propargs: { min: 1, max: 10000 },
          description: "At most so many pictures are one task, which one worker does. Fewer: more workers share " +
            "the pictures. More: Blender is started less often" },

        { key: "provider", label: "Made by", type: "string", default: "offline_shape",
          choices: ["offline_shape", "aimlapi", "hunyuan3d", "meshy", "modelslab", "modelslab_instantmesh", "one_min_ai"],
          description: "Who makes the models. offline_shape: the workers themselves, for nothing. hunyuan3d: a server " +
            "of your own. The others are services that cost money and get the pictures; their keys never go into a job: " +
            "they come from the environment of the workers, such as MODELSLAB_API_KEY" },
        { key: "model", label: "Model", type: "string", default: "",
          description: "Which model of the service, where it has several, such as meshy-6. Empty: the usual one" },
        { key: "options", label: "Options", type: "string", default: "",
          description: "More for whoever makes the models, separated by spaces, such as: detail=0.3 thickness=0.5. " +
            "Quote what has spaces: \"texture_prompt=old wood\". Never a key" },
        { key: "height", label: "Height", type: "float", default: 0, propargs: { min: 0, max: 1000 },
          description: "How high every model becomes, in metres. 0: as high as it was made" },
        { key: "format", label: "File Format", type: "string", default: "glb",
          choices: ["glb", "blend", "gltf", "obj", "stl", "ply", "fbx", "usdc", "usda", "usdz"],
          description: "Of the models" },
        { key: "jobs", label: "At the Same Time", type: "int32", default: 1, propargs: { min: 1, max: 64 },
          description: "How many models each worker makes at the same time. A service mostly takes several; " +
            "offline_shape uses the whole processor for one" },

        { key: "asset_library", label: "Asset Library", type: "string", default: "each", choices: ["each", "one", "none"],
          description: "When all models are there, put them into the folder \"assets\" beside them, for Blender's Asset " +
            "Browser. each: a .blend for each model. one: one .blend for all. none: no asset library" },
        { key: "contact_sheet", label: "Contact Sheet", type: "bool", default: true,
          description: "When all models are there, show them all in one picture, contact_sheet.png beside them" },
    ]
};

// A job is stored, shown to everybody who opens Flamenco, and logged.
const KEY_NAME = /(^|_)(key|token|secret|password|passwd|authorization|auth|bearer)($|_)|apikey/i;
const KEY_VALUE = /^(bearer\s|sk-|msy_)/i;

function compileJob(job) {
    const settings = checkedSettings(job);
    const chunkCount = Math.ceil(settings.picture_count / settings.chunk_size);
    const assemble = assembleTask(settings);
    for (let number = 1; number <= chunkCount; number++) {
        const task = chunkTask(settings, number, chunkCount);
        job.addTask(task);
        assemble.addDependency(task);
    }
    job.addTask(assemble);
}

// The K-th of N tasks makes every N-th picture, from the K-th on.
function chunkTask(settings, number, count) {
    const pictures = Math.ceil((settings.picture_count - number + 1) / count);
    return batchTask(settings, `models-${number}-of-${count}`, pictures, [
        "--chunk", `${number}/${count}`,
        "--report", below(settings.output, `reports/chunk-${number}.jsonl`),
    ]);
}

// What the other tasks have made is not made again: this one makes up for what is missing, and puts all together.
function assembleTask(settings) {
    const words = ["--report", below(settings.output, "report.jsonl")];
    if (settings.asset_library !== "none") {
        words.push("--asset-library", below(settings.output, "assets"), "--asset-files", settings.asset_library);
    }
    if (settings.contact_sheet) {
        words.push("--contact-sheet", below(settings.output, "contact_sheet.png"));
    }
    return batchTask(settings, "assemble", settings.picture_count, words);
}

function batchTask(settings, name, pictures, words) {
    const task = author.Task(name, "blender");
    task.addCommand(author.Command("blender-render", {
        exe: "{blender}",
        exeArgs: "{blenderArgs}",
        // A worker has nobody who could allow Blender to go online: whoever chooses a service does.
        argsBefore: settings.provider === "offline_shape" ? [] : ["--online-mode"],
        blendfile: "",
        // Each path is an argument of its own: Flamenco turns it into that of the worker's platform.
        args: [
            "--command", "image_to_3d", "batch", settings.pictures, "--output-dir", settings.output,
            "--farm", "--resume", "--jobs", String(settings.jobs), "--format", settings.format,
        ].concat(requestWords(settings), words),
    }, pictures));
    return task;
}

function requestWords(settings) {
    const words = ["--provider", settings.provider];
    if (settings.model) {
        words.push("--model", settings.model);
    }
    if (settings.height > 0) {
        // Blender's properties have seven digits, JSON makes seventeen of them.
        words.push("--height", String(Number(settings.height.toPrecision(6))));
    }
    for (const option of settings.options) {
        words.push("--option", option);
    }
    return words;
}

// Returns all settings, those that are missing with their defaults, and the options as a list.
function checkedSettings(job) {
    const settings = {};
    for (const setting of JOB_TYPE.settings) {
        const given = job.settings[setting.key];
        settings[setting.key] = given === undefined || given === null ? setting.default : given;
        if (setting.choices && !setting.choices.includes(settings[setting.key])) {
            throw `${setting.label} cannot be "${settings[setting.key]}". Choose one of: ${setting.choices.join(", ")}.`;
        }
    }
    settings.pictures = checkedFolder(settings.pictures, "the pictures");
    settings.output = checkedFolder(settings.output, "the models");
    if (settings.pictures === settings.output) {
        throw "The models cannot go into the folder with the pictures. Choose another folder for them.";
    }
    checkNumber(settings, "picture_count");
    checkNumber(settings, "chunk_size");
    checkNumber(settings, "jobs");
    if (!(settings.height >= 0 && settings.height < Infinity)) {
        throw `Height cannot be ${settings.height}. Give it in metres, or 0.`;
    }
    settings.model = (settings.model || "").trim();
    settings.options = checkedOptions(settings.options || "");
    return settings;
}

function checkedFolder(folder, whose) {
    const trimmed = (folder || "").trim().replace(/(.)[\\/]+$/, "$1");
    if (!trimmed) {
        throw `Choose the folder for ${whose}.`;
    }
    // A variable of Flamenco, such as {storage}, stands for the beginning of a path.
    if (!/^(\{|\/(?!\/)|\\\\|[A-Za-z]:)/.test(trimmed)) {
        throw `"${trimmed}" is not a whole path. Choose the folder for ${whose} so that every worker finds it.`;
    }
    return trimmed;
}

function checkNumber(settings, key) {
    if (key === "picture_count" && settings.picture_count === 0) {
        throw `There is no picture in "${settings.pictures}". Choose a folder with pictures.`;
    }
    if (!Number.isInteger(settings[key]) || settings[key] < 1) {
        const label = JOB_TYPE.settings.find(setting => setting.key === key).label;
        throw `${label} cannot be ${settings[key]}. It must be a whole number from 1 on.`;
    }
}

function checkedOptions(text) {
    let words;
    try {
        words = shellSplit(text);
    } catch (error) {
        throw "The options cannot be read: a quotation mark is missing.";
    }
    const options = [];
    for (const word of words) {
        const [, name, value] = /^([A-Za-z_]\w*)=([^]*)$/.exec(word) || [];
        if (!name) {
            throw `"${word}" is not an option. Options look like this: detail=0.3 thickness=0.5.`;
        }
        if (KEY_NAME.test(name) || KEY_VALUE.test(value)) {
            throw `The option "${name}" looks like a key, and everybody could read it in the job. ` +
                "Leave it out, and set the key in the environment of the workers, such as MODELSLAB_API_KEY.";
        }
        options.push(word);
    }
    return options;
}

// Not path.join: it would take a slash from the beginning of //server/share.
function below(folder, name) {
    return folder.replace(/[\\/]+$/, "") + "/" + name;
}
