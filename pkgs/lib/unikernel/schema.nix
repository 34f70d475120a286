# A type (types.nix) by a JSON schema (draft 2020-12), with as much of the language as docs/configuration.schema.json uses. The
# guest has the last word on what a schema of this kind cannot say, such as the value of an address.
{ types }:
let
  inherit (types) mustBe attribute matches;

  names = {
    array = "a list";
    boolean = "true or false";
    null = "null";
    object = "an attribute set";
    string = "a string";
  };
  isOf = {
    array = builtins.isList;
    boolean = builtins.isBool;
    null = value: value == null;
    object = builtins.isAttrs;
    string = builtins.isString;
  };

  # builtins.match is about the whole text, and a schema's pattern about any part of it.
  part =
    pattern:
    let
      length = builtins.stringLength pattern;
      from = builtins.substring 0 1 pattern == "^";
      to = builtins.substring (length - 1) 1 pattern == "$";
      inner = builtins.substring (if from then 1 else 0) (length - (if from then 1 else 0) - (if to then 1 else 0)) pattern;
    in
    "${if from then "" else ".*"}(${inner})${if to then "" else ".*"}";

  octet = "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])";
  formats.ipv4 = "${octet}(\\.${octet}){3}";

  list = value: if builtins.isList value then value else [ value ];

  wrong =
    schema: path: value:
    let
      allowed = list (schema.type or (builtins.attrNames isOf));
      known = schema.properties or { };
      when = condition: sentence: if condition then [ sentence ] else [ ];
      words = builtins.concatStringsSep ", ";

      ofObject =
        builtins.concatMap (
          key: when (!(value ? ${key})) "`${path}` has no `${key}`, which is required"
        ) (schema.required or [ ])
        ++ builtins.concatMap (
          key:
          let
            at = "${path}.${attribute key}";
            other = schema.additionalProperties or true;
          in
          if known ? ${key} then
            wrong known.${key} at value.${key}
          else if other == false then
            [ "`${at}` is not a known key; there are ${words (builtins.attrNames known)}" ]
          else if other == true then
            [ ]
          else
            wrong other at value.${key}
        ) (builtins.attrNames value);

      ofList =
        let
          length = builtins.length value;
        in
        when (length < schema.minItems or 0) "`${path}` must have ${toString (schema.minItems or 0)} entry or more"
        ++ when (schema ? maxItems && length > schema.maxItems) "`${path}` has ${toString length} entries; it can have ${toString schema.maxItems}"
        ++ builtins.concatMap (
          index: wrong (schema.items or { }) "${path}[${toString index}]" (builtins.elemAt value index)
        ) (builtins.genList (index: index) length);

      ofString =
        types.text.wrong path value
        ++ when (schema ? pattern && !(matches (part schema.pattern) value)) (
          mustBe path value "text that matches ${schema.pattern}"
        )
        ++ when (schema ? format && !(matches formats.${schema.format} value)) (
          mustBe path value "an address of the format ${schema.format}"
        )
        ++ when (
          builtins.stringLength value < schema.minLength or 0
          || schema ? maxLength && builtins.stringLength value > schema.maxLength
        ) "`${path}` must have ${toString (schema.minLength or 0)} to ${toString (schema.maxLength or "any number of")} characters";
    in
    if !(builtins.any (type: isOf.${type} value) allowed) then
      [ (mustBe path value (builtins.concatStringsSep " or " (map (type: names.${type}) allowed))) ]
    else if schema ? enum && !(builtins.elem value schema.enum) then
      [ (mustBe path value "one of ${words (map builtins.toJSON schema.enum)}") ]
    else if builtins.isAttrs value then
      ofObject
    else if builtins.isList value then
      ofList
    else if builtins.isString value then
      ofString
    else
      [ ];
in
schema: {
  description = "an attribute set by the [configuration](configuration.md)'s schema";
  wrong = wrong schema;
}
