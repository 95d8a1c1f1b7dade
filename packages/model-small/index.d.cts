/**
 * The files of the model, in PyLate layout: name inside the model's folder → where it lies.
 *
 * `@serotine/core` finds the model by it. Other programs get the folder with `new URL('.', modelFiles()['config.json'])`.
 */
export declare function modelFiles(): Readonly<Record<string, URL>>
