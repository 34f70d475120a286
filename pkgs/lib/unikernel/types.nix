# Types of options: what values may be. A type is { description; wrong; }, where `wrong` is a function from a path, as it is
# shown to the user, and a value to the sentences that say what is wrong with it: none if all is well.
let
  kinds = {
    bool = "true or false";
    float = "a number";
    int = "a number";
    lambda = "a function";
    list = "a list";
    null = "null";
    path = "a path";
    set = "an attribute set";
    string = "a string";
  };

  # What to begin a sentence with: the option and what it is now.
  is = path: value: "`${path}` is ${if builtins.isString value then builtins.toJSON value else kinds.${builtins.typeOf value}}";
  mustBe =
    path: value: description:
    "${is path value}; it must be ${description}";

  # A type by a test of the value.
  simple = description: test: {
    inherit description;
    wrong = path: value: if test value then [ ] else [ (mustBe path value description) ];
  };

  matches = pattern: text: builtins.match pattern text != null;
  concatMap = builtins.concatMap;

  # A word that names an attribute, in quotation marks if Nix wants them.
  attribute = name: if matches "[a-zA-Z_][a-zA-Z0-9_'-]*" name then name else builtins.toJSON name;
in
rec {
  inherit
    is
    mustBe
    simple
    matches
    attribute
    ;

  text = {
    description = "a string";
    wrong =
      path: value:
      if builtins.isString value then
        [ ]
      else
        [ (mustBe path value "a string${if builtins.isInt value then ": \"${toString value}\"" else ""}") ];
  };

  matching = pattern: description: simple description (value: builtins.isString value && matches pattern value);

  # A file or folder that is there when the image is built.
  file = {
    description = "a file or folder: a path, or a string that begins with a store path";
    wrong =
      path: value:
      if builtins.isPath value then
        if builtins.pathExists value then [ ] else [ "`${path}` is ${toString value}, which does not exist" ]
      else if builtins.isString value || isPackage value then
        if matches "/nix/store/.*" "${value}" then
          [ ]
        else if matches "/.*" "${value}" then
          [
            "${is path value}, which is outside of Nix's store: a build sees only what is in it. Name a file by a path without quotation marks, or one in a package, such as \"\${package}/bin/program\""
          ]
        else
          [
            "${is path value}; it must be a path, such as ./file, or be in a package, such as \"\${package}/bin/program\" (builtins.toFile makes a file of text)"
          ]
      else
        [ (mustBe path value "a path or a package") ];
  };

  isPackage = value: builtins.isAttrs value && value ? outPath;
  package = simple "a package" isPackage;

  attributes = simple "an attribute set" builtins.isAttrs;

  oneOf = values: simple "one of ${builtins.concatStringsSep ", " (map builtins.toJSON values)}" (value: builtins.elem value values);

  nullOr = type: {
    description = "null or ${type.description}";
    wrong = path: value: if value == null then [ ] else type.wrong path value;
  };

  listOf = type: {
    description = "a list; each entry is ${type.description}";
    wrong =
      path: value:
      if !(builtins.isList value) then
        [ (mustBe path value "a list") ]
      else
        concatMap (index: type.wrong "${path}[${toString index}]" (builtins.elemAt value index)) (
          builtins.genList (index: index) (builtins.length value)
        );
  };

  # Names and values; `key` is a function from a path and a name to sentences.
  attributesOf = key: type: {
    description = "an attribute set; each value is ${type.description}";
    wrong =
      path: value:
      if !(builtins.isAttrs value) || isPackage value then
        [ (mustBe path value "an attribute set") ]
      else
        concatMap (
          name:
          let
            at = "${path}.${attribute name}";
          in
          key at name ++ type.wrong at value.${name}
        ) (builtins.attrNames value);
  };
}
